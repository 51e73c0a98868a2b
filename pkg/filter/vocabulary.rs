//! What a filter may name and call.

/// The names, functions and map that filters may use.
///
/// The functions of CEL that work on numbers, texts, lists and times need not be named.
#[derive(Clone, Debug)]
pub struct Vocabulary {
    names: Names,
    functions: Vec<(String, usize)>,
    map: Option<String>,
}

#[derive(Clone, Debug)]
enum Names {
    Fitting(fn(&str) -> bool),
    Of(Vec<String>),
}

impl Vocabulary {
    /// Any name that `fits`.
    pub fn fitting(fits: fn(&str) -> bool) -> Self {
        Self::new(Names::Fitting(fits))
    }

    /// These names only.
    pub fn of<const N: usize>(names: [&str; N]) -> Self {
        Self::new(Names::Of(names.map(str::to_owned).to_vec()))
    }

    fn new(names: Names) -> Self {
        Self {
            names,
            functions: Vec::new(),
            map: None,
        }
    }

    /// Adds a function of the caller with `arity` arguments. [`Variables::call`](crate::Variables::call) answers it.
    /// It hides a function of CEL with the same name.
    #[must_use]
    pub fn function(mut self, name: &str, arity: usize) -> Self {
        self.functions.push((name.to_owned(), arity));
        self
    }

    /// Sets the map that filters index with literal texts, for names that are no identifiers: `value["a-b"]`.
    /// [`Variables::key`](crate::Variables::key) answers its keys.
    #[must_use]
    pub fn map(mut self, name: &str) -> Self {
        self.map = Some(name.to_owned());
        self
    }

    pub(crate) fn has_name(&self, name: &str) -> bool {
        match &self.names {
            Names::Fitting(fits) => fits(name),
            Names::Of(names) => names.iter().any(|known| known == name),
        }
    }

    pub(crate) fn is_map(&self, name: &str) -> bool {
        self.map.as_deref() == Some(name)
    }

    /// The numbers of arguments that the caller's function of this name takes; none if there is no such function.
    pub(crate) fn arities(&self, function: &str) -> Vec<usize> {
        let known = self.functions.iter().filter(|(name, _)| name == function);
        known.map(|(_, arity)| *arity).collect()
    }

    /// What to write instead of an unknown name.
    pub(crate) fn names_hint(&self) -> String {
        let mut hint = match &self.names {
            Names::Fitting(_) => "Check how the name is spelled".to_owned(),
            Names::Of(names) => format!("Write one of {}", names.join(", ")),
        };
        if let Some(map) = &self.map {
            hint += &format!(", or {map}[\"…\"] with the name in quotes");
        }
        hint + "."
    }

    /// The caller's functions, as they are called.
    pub(crate) fn functions_hint(&self) -> Vec<String> {
        let functions = self.functions.iter();
        functions.map(|(name, arity)| format!("{name}/{arity}")).collect()
    }
}
