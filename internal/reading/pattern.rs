//! Patterns of names, such as `truck-*`.

/// Whether a name fits a pattern, in which `*` stands for any characters, also none. Takes time in the product of
/// both lengths at most.
pub fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut at, mut of) = (0, 0);
    // The last star, and where what follows it is tried.
    let mut star = None;
    while at < name.len() {
        match pattern.get(of) {
            Some(b'*') => {
                star = Some((of, at));
                of += 1;
            }
            Some(byte) if *byte == name[at] => {
                of += 1;
                at += 1;
            }
            _ => {
                let Some((place, tried)) = star else {
                    return false;
                };
                star = Some((place, tried + 1));
                of = place + 1;
                at = tried + 1;
            }
        }
    }
    pattern[of..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn stars_stand_for_any_characters() {
        let fitting = [
            ("*", ""),
            ("*", "lada"),
            ("lada", "lada"),
            ("truck-*", "truck-"),
            ("truck-*", "truck-7"),
            ("*-a*b", "x-aab-ab"),
            ("**", "ž"),
        ];
        for (pattern, name) in fitting {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        let others = [
            ("", "lada"),
            ("lada", ""),
            ("truck-*", "truck"),
            ("a*b", "abc"),
            ("A", "a"),
        ];
        for (pattern, name) in others {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }

    /// A search that goes back to each star would not end.
    #[test]
    fn many_stars_are_tried_quickly() {
        assert!(!fits(&"*a".repeat(2000), &"a".repeat(127)));
    }

    /// By recursion, as slow as it is plain.
    fn plainly(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), Some((_, tail))) => plainly(rest, name) || plainly(pattern, tail),
            (Some((b'*', rest)), None) => plainly(rest, name),
            (Some((one, rest)), Some((other, tail))) => one == other && plainly(rest, tail),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn as_by_recursion(pattern in "[ab*]{0,8}", name in "[ab]{0,10}") {
            prop_assert_eq!(fits(&pattern, &name), plainly(pattern.as_bytes(), name.as_bytes()));
        }
    }
}
