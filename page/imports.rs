//! The modules that a module imports.

use std::collections::BTreeSet;

/// The modules that a module imports before it runs, directly or through others, itself included: what a browser would
/// otherwise ask for one after the other. `text` finds a module by name.
pub(crate) fn closure<'a>(module: &str, text: impl Fn(&str) -> Option<&'a str>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut waiting = vec![module.to_owned()];
    while let Some(name) = waiting.pop() {
        let Some(text) = text(&name) else { continue };
        waiting.extend(specifiers(text).filter_map(|path| resolve(&name, path)));
        found.insert(name);
        waiting.retain(|name| !found.contains(name));
    }
    found
}

/// The style sheets that a module adds to the page as it begins.
pub(crate) fn styles(module: &str, text: &str) -> Vec<String> {
    let named = text.split("addStyles(new URL('").skip(1);
    let paths = named.filter_map(|rest| rest.split_once('\'')).map(|(path, _)| path);
    paths.filter_map(|path| resolve(module, path)).collect()
}

/// What the statements `import … from` and `export … from` of a module name. Each ends on a line of its own, as the
/// formatter writes them.
fn specifiers(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let begins = ["import ", "export ", "} from "]
            .iter()
            .any(|word| line.starts_with(word));
        if !begins {
            return None;
        }
        let rest = match line.rsplit_once(" from ") {
            Some((_, rest)) => rest,
            None => line.strip_prefix("import ")?,
        };
        let quoted = rest.trim_end().trim_end_matches(';');
        ['\'', '"']
            .iter()
            .find_map(|quote| quoted.strip_prefix(*quote)?.strip_suffix(*quote))
    })
}

/// The name of what a module imports by a relative path.
fn resolve(module: &str, path: &str) -> Option<String> {
    if !path.starts_with("./") && !path.starts_with("../") {
        return None;
    }
    let mut parts: Vec<&str> = module.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_followed_and_dynamic_ones_are_not() {
        let text = |name: &str| match name {
            "main.js" => Some(
                "import { a } from './a.js';\nimport {\n  b,\n  c,\n} from './b/b.js';\nconst later = () => import('./later.js');\n// import { x } from './x.js';\n",
            ),
            "a.js" => Some("import './side.js';\nexport { b } from \"./b/b.js\";\nexport const text = 'a from b';\n"),
            "b/b.js" => Some("import { a } from '../a.js';\nimport bare from 'bare';\n"),
            "side.js" => Some(""),
            _ => None,
        };
        let expected = ["a.js", "b/b.js", "main.js", "side.js"].map(str::to_owned);
        assert_eq!(closure("main.js", text), BTreeSet::from(expected));
        assert!(closure("absent.js", text).is_empty());
    }

    #[test]
    fn style_sheets_are_found() {
        let text = "await addStyles(new URL('./live.css', import.meta.url));\nawait addStyles(new URL('../map/map.css', import.meta.url));\n";
        assert_eq!(styles("live/live.js", text), ["live/live.css", "map/map.css"]);
        assert!(styles("main.js", "export function addStyles({ href }) {}").is_empty());
    }

    #[test]
    fn paths_stay_inside() {
        assert_eq!(resolve("live/live.js", "../store.js"), Some("store.js".to_owned()));
        assert_eq!(resolve("main.js", "./live/live.js"), Some("live/live.js".to_owned()));
        assert_eq!(resolve("main.js", "../secret.js"), None);
        assert_eq!(resolve("main.js", "https://example.org/a.js"), None);
    }
}
