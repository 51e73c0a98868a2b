//! One evaluation: answers the library's questions for slots, and counts steps.

use crate::hook::Hook;
use crate::slot::{Root, Slot};
use crate::{Failed, Filter, MAX_STEPS, Value, Variable, Variables, failed, instant, json, temporal};
use cel::common::types::{CelBool, CelDouble, CelInt, CelString, CelUInt};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use cel::{Context, Env, ExecutionError, Value as Library};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};

/// Steps of a call of one of the caller's functions.
const CALL_STEPS: u64 = 100;

/// The functions of CEL. The macros are expanded when a filter is compiled.
static ENVIRONMENT: LazyLock<Option<Arc<Env>>> = LazyLock::new(|| {
    let mut env = Env::default().with_optional_support(false).with_stdlib();
    temporal::declare(&mut env).ok().map(|()| Arc::new(env))
});

impl Filter {
    /// Evaluates the filter.
    ///
    /// Takes at most [`MAX_STEPS`](crate::MAX_STEPS) and 1 MiB of stack. Does not block, unless the caller's
    /// functions do.
    ///
    /// # Errors
    /// See [`Failed`].
    pub fn evaluate(&self, variables: &impl Variables) -> Result<Value, Failed> {
        // Nothing is used after a panic.
        catch_unwind(AssertUnwindSafe(|| {
            let numeric = self
                .numeric
                .as_ref()
                .and_then(|condition| condition.evaluate(variables));
            numeric.map_or_else(|| run(self, variables), |result| Ok(Value::Bool(result)))
        }))
        .unwrap_or(Err(Failed::Defect))
    }

    /// Asks the library, also about comparisons of numbers.
    #[cfg(test)]
    pub(crate) fn ask(&self, variables: &impl Variables) -> Result<Value, Failed> {
        run(self, variables)
    }
}

fn run(filter: &Filter, variables: &dyn Variables) -> Result<Value, Failed> {
    let scope = Scope {
        filter,
        variables,
        held: filter.slots.iter().map(|_| OnceLock::new()).collect(),
        steps: AtomicU64::new(0),
        yes: CelBool::from(true),
    };
    let mut context = Context::with_env(Arc::clone(ENVIRONMENT.as_ref().ok_or(Failed::Defect)?));
    context.set_variable_resolver(&scope);
    let result = Library::resolve_val(&filter.expression, &context).map(|value| Value::of(value.as_ref()));
    // Some errors are absorbed by && and ||, but not this one.
    if scope.steps.load(Ordering::Relaxed) > MAX_STEPS {
        return Err(Failed::Costly);
    }
    result.map_err(|error| scope.explain(&error))
}

struct Scope<'a> {
    filter: &'a Filter,
    variables: &'a dyn Variables,
    held: Vec<OnceLock<Held<'a>>>,
    steps: AtomicU64,
    yes: CelBool,
}

/// A slot's value, and the steps of reading it.
struct Held<'a> {
    value: Result<Scalar<'a>, Failed>,
    steps: u64,
}

/// The usual kinds are not boxed.
enum Scalar<'a> {
    Bool(CelBool),
    Int(CelInt),
    Uint(CelUInt),
    Double(CelDouble),
    Text(CelString<'a>),
    Boxed(Box<dyn Val + 'a>),
}

impl<'a> Scalar<'a> {
    fn as_val(&self) -> &(dyn Val + 'a) {
        match self {
            Self::Bool(value) => value,
            Self::Int(value) => value,
            Self::Uint(value) => value,
            Self::Double(value) => value,
            Self::Text(value) => value,
            Self::Boxed(value) => value.as_ref(),
        }
    }
}

impl VariableResolver for Scope<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let name = variable.strip_prefix('@')?;
        if let Some(body) = name.strip_prefix('+') {
            return self.afford(body.parse().ok()?).then_some(CowVal::Borrowed(&self.yes));
        }
        if let Some(function) = name.strip_prefix('f') {
            let name = self.filter.functions.get(function.parse::<usize>().ok()?)?;
            let variables = self.variables;
            return self.afford(CALL_STEPS).then(|| CowVal::owned(Hook { name, variables }));
        }
        let (slot, reads) = name.split_once('*')?;
        let held = self.held(slot.parse().ok()?)?;
        let value = held.value.as_ref().ok()?;
        self.afford(1 + held.steps * reads.parse::<u64>().ok()?)
            .then(|| CowVal::Borrowed(value.as_val()))
    }
}

impl<'a> Scope<'a> {
    fn afford(&self, steps: u64) -> bool {
        self.steps.fetch_add(steps, Ordering::Relaxed) + steps <= MAX_STEPS
    }

    fn held(&self, at: usize) -> Option<&Held<'a>> {
        let slot = self.filter.slots.get(at)?;
        Some(self.held.get(at)?.get_or_init(|| {
            let mut steps = 0;
            let value = self.read(slot, &mut steps);
            Held { value, steps }
        }))
    }

    fn read(&self, slot: &'a Slot, steps: &mut u64) -> Result<Scalar<'a>, Failed> {
        let variable = match &slot.root {
            Root::Name(name) => self.variables.name(name),
            Root::Key { key, .. } => self.variables.key(key),
        };
        let variable = variable.ok_or_else(|| Failed::Absent(slot.place(0)))?;
        if let Variable::Json(value) = variable {
            let found = json::walk(value, slot)?;
            if slot.presence {
                return self.presence(slot, found);
            }
            return json::convert(found, steps).map(Scalar::Boxed);
        }
        if !slot.path.is_empty() {
            return Err(json::fieldless(slot, 0));
        }
        Ok(match variable {
            Variable::Bool(value) => Scalar::Bool(value.into()),
            Variable::Int(value) => Scalar::Int(value.into()),
            Variable::Uint(value) => Scalar::Uint(value.into()),
            Variable::Double(value) => Scalar::Double(value.into()),
            Variable::Time(value) => Scalar::Boxed(Box::new(instant::Instant(value))),
            Variable::Text(text) => {
                *steps += json::text_steps(text);
                Scalar::Text(text.into())
            }
            Variable::Json(_) => return Err(Failed::Defect),
        })
    }

    fn presence(&self, slot: &Slot, found: &serde_json::Value) -> Result<Scalar<'a>, Failed> {
        match (found, slot.path.last()) {
            (serde_json::Value::Object(object), Some(crate::slot::Segment::Field(name))) => {
                Ok(Scalar::Bool(object.contains_key(name).into()))
            }
            _ => Err(json::fieldless(slot, slot.path.len() - 1)),
        }
    }

    fn explain(&self, error: &ExecutionError) -> Failed {
        let ExecutionError::UndeclaredReference(name) = error else {
            return failed::explain(error);
        };
        let slot = name
            .strip_prefix('@')
            .and_then(|name| name.split_once('*')?.0.parse().ok());
        let held = slot.and_then(|at| self.held(at));
        held.and_then(|held| held.value.as_ref().err().cloned())
            .unwrap_or(Failed::Defect)
    }
}
