//! The modules of a crate, and which of them uses which.
//!
//! A scan of texts. It follows paths through `use`, through re-exports and through the children of a module.
//! It does not see that a module calls a method of a type that it does not name. Tests are left out.

mod tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use tokens::{is_word, tokens};

/// A module, by the names on the way from the crate's root.
type Module = Vec<String>;

/// The modules of a crate.
#[derive(Default)]
pub(crate) struct Modules(BTreeMap<Module, Source>);

/// What the file of a module says.
#[derive(Default)]
struct Source {
    /// What `mod name;` declares.
    children: Vec<String>,
    /// Names that `use` brings, and the paths that they stand for.
    imports: BTreeMap<String, Vec<String>>,
    /// Those of the names that `pub use` brings, for other modules.
    shown: BTreeSet<String>,
    /// Modules of which `use` brings all names.
    globs: Vec<Vec<String>>,
    /// Paths outside of `use`, and shown names.
    paths: BTreeSet<Vec<String>>,
}

/// What a path leads to.
enum Found {
    Module(Module),
    ItemOf(Module),
}

impl Modules {
    /// Reads the crate with this root, `lib.rs` or `main.rs`.
    pub(crate) fn read(root: &Path) -> Self {
        let mut modules = Self::default();
        modules.read_below(root, root.parent().unwrap(), &[]);
        modules
    }

    fn read_below(&mut self, file: &Path, folder: &Path, module: &[String]) {
        let source = Source::of(&fs::read_to_string(file).unwrap());
        for child in &source.children {
            let beside = folder.join(format!("{child}.rs"));
            let inside = folder.join(child).join("mod.rs");
            let file = if beside.exists() { beside } else { inside };
            self.read_below(&file, &folder.join(child), &below(module, child));
        }
        self.0.insert(module.to_vec(), source);
    }

    /// The circles between the parts of each module: its own file, and each child with all below it. A circle is
    /// the uses that it consists of.
    pub(crate) fn circles(&self) -> Vec<BTreeSet<String>> {
        let mut uses = Vec::new();
        for module in self.0.keys() {
            uses.extend(self.used_by(module).into_iter().map(|used| (module, used)));
        }
        let mut found = Vec::new();
        for above in self.0.keys() {
            let part = |module: &Module| {
                let below = module.strip_prefix(above.as_slice())?;
                Some(below.first().cloned().unwrap_or_default())
            };
            let arrows = uses.iter().filter_map(|(user, used)| {
                let told = format!("{} uses {}", shown(user), shown(used));
                Some((part(user)?, part(used)?, told)).filter(|(from, to, _)| from != to)
            });
            found.extend(circles(&arrows.collect::<Vec<_>>()));
        }
        found
    }

    /// The other modules that a module uses items of.
    fn used_by(&self, module: &Module) -> BTreeSet<Module> {
        let source = &self.0[module];
        let hidden = source.imports.iter().filter(|(name, _)| !source.shown.contains(*name));
        let items = source.paths.iter().chain(hidden.map(|(_, path)| path));
        let mut used = BTreeSet::new();
        for path in items {
            // A module by itself is only the way to an item.
            if let Some(Found::ItemOf(found)) = self.find(module, path, 0) {
                used.insert(found);
            }
        }
        for path in &source.globs {
            if let Some(Found::Module(found)) = self.find(module, path, 0) {
                used.insert(found);
            }
        }
        used.remove(module);
        used
    }

    /// What a path in `module` leads to; `None` outside of the crate.
    fn find(&self, module: &Module, path: &[String], followed: usize) -> Option<Found> {
        let (first, rest) = path.split_first()?;
        let mut at = module.clone();
        match first.as_str() {
            "crate" => at.clear(),
            "self" => {}
            "super" => {
                at.pop()?;
            }
            _ => return self.member(&at, first, rest, followed),
        }
        match rest.split_first() {
            None => Some(Found::Module(at)),
            Some((next, _)) if next == "super" => self.find(&at, rest, followed),
            Some((next, rest)) => self.inside(at, next, rest, followed),
        }
    }

    /// What a name in a module of this crate leads to: where nothing brings it, the module defines it.
    fn inside(&self, module: Module, name: &String, rest: &[String], followed: usize) -> Option<Found> {
        let source = self.0.get(&module)?;
        if source.children.contains(name) || source.imports.contains_key(name) {
            return self.member(&module, name, rest, followed);
        }
        Some(Found::ItemOf(module))
    }

    /// What a path leads to that begins with a child of a module, or with a name that it imports.
    fn member(&self, module: &Module, name: &String, rest: &[String], followed: usize) -> Option<Found> {
        let source = self.0.get(module)?;
        if source.children.contains(name) {
            let child = below(module, name);
            return match rest.split_first() {
                None => Some(Found::Module(child)),
                Some((next, rest)) => self.inside(child, next, rest, followed),
            };
        }
        // `use` of a name that is called like its crate leads to itself.
        let path = source.imports.get(name).filter(|_| followed < 16)?;
        self.find(module, &[path, rest].concat(), followed + 1)
    }
}

fn below(module: &[String], child: &str) -> Module {
    [module, &[child.to_owned()]].concat()
}

fn shown(module: &Module) -> String {
    [&["crate".to_owned()], module.as_slice()].concat().join("::")
}

/// The circles among arrows from part to part, as the texts of their arrows.
fn circles(arrows: &[(String, String, String)]) -> Vec<BTreeSet<String>> {
    let reached = |from: &str| {
        let (mut reached, mut left) = (BTreeSet::new(), vec![from.to_owned()]);
        while let Some(at) = left.pop() {
            let next = arrows.iter().filter(|(from, ..)| *from == at).map(|(_, to, _)| to);
            left.extend(next.filter(|to| reached.insert((*to).clone())).cloned());
        }
        reached
    };
    let mut circles: BTreeMap<BTreeSet<String>, BTreeSet<String>> = BTreeMap::new();
    for (from, to, told) in arrows {
        if reached(to).contains(from) {
            let back = |part: &String| reached(part).contains(from);
            let parts = reached(from).into_iter().filter(back).collect();
            circles.entry(parts).or_default().insert(told.clone());
        }
    }
    circles.into_values().collect()
}

impl Source {
    fn of(text: &str) -> Self {
        let mut source = Self::default();
        let tokens = tokens(text);
        let is = |at: usize, expected: &str| tokens.get(at).is_some_and(|token| token == expected);
        let mut at = 0;
        while at < tokens.len() {
            let previous = if at == 0 { "" } else { &tokens[at - 1] };
            match tokens[at].as_str() {
                "#" if tokens[at..].iter().take(7).eq(["#", "[", "cfg", "(", "test", ")", "]"]) => {
                    at = end_of_item(&tokens, at + 7);
                }
                "mod" if is(at + 2, ";") => {
                    source.children.push(tokens[at + 1].clone());
                    at += 2;
                }
                "use" => {
                    let is_shown = previous == "pub" || previous == ")";
                    at += 1;
                    source.import(&tokens, &mut at, &[], is_shown);
                }
                word if is_word(word) && previous != "." => {
                    let mut path = vec![word.to_owned()];
                    while is(at + 1, "::") && tokens.get(at + 2).is_some_and(|token| is_word(token)) {
                        path.push(tokens[at + 2].clone());
                        at += 2;
                    }
                    at += 1;
                    // A field may be called as what is shown.
                    if path.len() > 1 || !is(at, ":") {
                        source.paths.insert(path);
                    }
                }
                _ => at += 1,
            }
        }
        let shown = &source.shown;
        source.paths.retain(|path| path.len() > 1 || shown.contains(&path[0]));
        source
    }

    /// Reads a tree of `use`, up to what ends it.
    fn import(&mut self, tokens: &[String], at: &mut usize, above: &[String], is_shown: bool) {
        let mut path = above.to_vec();
        while *at < tokens.len() {
            let token = tokens[*at].as_str();
            match token {
                ";" | "}" | "," => break,
                "{" => {
                    while tokens[*at] != "}" {
                        *at += 1;
                        self.import(tokens, at, &path, is_shown);
                    }
                    *at += 1;
                    return;
                }
                "*" => {
                    self.globs.push(path);
                    *at += 1;
                    return;
                }
                "::" | "as" => {}
                word => path.push(word.to_owned()),
            }
            *at += 1;
        }
        let Some(mut name) = path.last().cloned().filter(|_| path.len() > above.len()) else {
            return;
        };
        if *at > 1 && tokens[*at - 2] == "as" {
            path.pop();
        }
        if path.last().is_some_and(|last| last == "self") && path.len() > 1 {
            path.pop();
            if name == "self" {
                name.clone_from(&path[path.len() - 1]);
            }
        }
        if is_shown {
            self.shown.insert(name.clone());
        }
        self.imports.insert(name, path);
    }
}

/// Where an item ends: after its block, or its semicolon; a field, where what it is in ends.
fn end_of_item(tokens: &[String], from: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(from) {
        match token.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" if depth == 0 => return at,
            ")" | "]" | "}" => {
                depth -= 1;
                if depth == 0 && token == "}" {
                    return at + 1;
                }
            }
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}
