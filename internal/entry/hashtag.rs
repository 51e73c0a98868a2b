//! Hashtags: where they stand in a text, and which are equal.
//!
//! A hashtag is `#`, `﹟` or `＃`, and then characters that may continue a name (`XID_Continue`) or emoji. That is UAX #31,
//! R8, without `-` and `+`. It does not stand behind a character of a name, `&`, `/` or another `#`, nor inside a URL, and
//! has more than digits.
//!
//! Hashtags are equal if their names are: full case folding and NFKC, repeated until nothing changes, without the
//! selectors that say whether an emoji is colourful. Accents stay: Zähler is not Zahler.

use icu_casemap::CaseMapper;
use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::props::{
    DefaultIgnorableCodePoint, EmojiModifier, ExtendedPictographic, GeneralCategory, RegionalIndicator, XidContinue,
};
use icu_properties::{CodePointMapData, CodePointSetData};

/// What a hashtag begins with.
const SIGNS: [char; 3] = ['#', '\u{fe5f}', '\u{ff03}'];

/// Joins emoji to one.
const JOINER: char = '\u{200d}';

/// Joins characters, and keeps them apart.
const JOINERS: [char; 2] = [JOINER, '\u{200c}'];

/// Says that the character before it is shown as text, and as emoji.
const SELECTORS: [char; 2] = ['\u{fe0e}', '\u{fe0f}'];

/// Makes a key of the digit or sign before it.
const KEYCAP: char = '\u{20e3}';

/// Letters of the flags of regions, and their end.
const TAGS: std::ops::RangeInclusive<char> = '\u{e0020}'..='\u{e007f}';

/// Most characters of a hashtag.
pub(crate) const LONGEST: usize = 100;

/// Most hashtags of a message.
pub(crate) const MOST: usize = 32;

/// Most bytes of the scheme of a URL. Behind each dot of a word, a scheme may begin.
const LONGEST_SCHEME: usize = 64;

/// A hashtag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hashtag {
    /// By which it is compared.
    pub name: String,
    /// As it was written, without its sign.
    pub spelling: String,
}

/// Why a text is no hashtag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It has another form.
    #[error("write letters, digits, _ and emoji, and more than digits")]
    Form,
    /// It has more than 100 characters.
    #[error("a hashtag has at most {LONGEST} characters")]
    TooLong,
}

impl Hashtag {
    /// Parses a hashtag on its own, with or without its sign.
    ///
    /// # Errors
    /// See [`Malformed`].
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let spelling = text.strip_prefix(SIGNS).unwrap_or(text);
        if length(spelling) != spelling.len() {
            return Err(Malformed::Form);
        }
        Self::of(spelling)?.ok_or(Malformed::Form)
    }

    /// The hashtag that these characters are; none where they are digits alone, or nothing that is seen.
    fn of(spelling: &str) -> Result<Option<Self>, Malformed> {
        let name = fold(spelling);
        let categories = CodePointMapData::<GeneralCategory>::new();
        let ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>();
        let is_meant = |ch: char| {
            !ignorable.contains(ch)
                && !matches!(
                    categories.get(ch),
                    GeneralCategory::DecimalNumber
                        | GeneralCategory::NonspacingMark
                        | GeneralCategory::SpacingMark
                        | GeneralCategory::EnclosingMark
                        | GeneralCategory::Format
                )
        };
        // A key, such as 1 in a box, is more than a digit.
        if !name.chars().any(|ch| is_meant(ch) || ch == KEYCAP) {
            return Ok(None);
        }
        if spelling.chars().count() > LONGEST || name.chars().count() > LONGEST {
            return Err(Malformed::TooLong);
        }
        Ok(Some(Self {
            name,
            spelling: spelling.to_owned(),
        }))
    }
}

/// The hashtags of a text, in its order, each name once; of more than [`MOST`], the first ones.
///
/// # Errors
/// [`Malformed::TooLong`].
pub(crate) fn of_text(text: &str) -> Result<Vec<Hashtag>, Malformed> {
    let mut found: Vec<Hashtag> = Vec::new();
    let (mut at, mut before) = (0, None);
    while let Some(ch) = text[at..].chars().next() {
        if let Some(length) = url(&text[at..], before) {
            at += length;
            before = text[..at].chars().next_back();
            continue;
        }
        let next = at + ch.len_utf8();
        if !SIGNS.contains(&ch)
            || before.is_some_and(|before| is_name(before) || "&/".contains(before) || SIGNS.contains(&before))
        {
            at = next;
            // What only says how an emoji is shown is no character of a name.
            before = if SELECTORS.contains(&ch) { before } else { Some(ch) };
            continue;
        }
        let end = next + length(&text[next..]);
        if let Some(hashtag) = Hashtag::of(&text[next..end])?
            && !found.iter().any(|known| known.name == hashtag.name)
        {
            found.push(hashtag);
            // One too many: the others would be compared in vain.
            if found.len() > MOST {
                break;
            }
        }
        at = end;
        before = text[..at].chars().next_back();
    }
    Ok(found)
}

/// The name by which a hashtag is compared.
pub(crate) fn fold(spelling: &str) -> String {
    let (mapper, normalizer) = (CaseMapper::new(), ComposingNormalizerBorrowed::new_nfkc());
    // Joiners at the end join nothing.
    let mut name = spelling.replace(SELECTORS, "").trim_end_matches(JOINERS).to_owned();
    loop {
        let folded = mapper.fold_string(&name);
        let next = normalizer.normalize(&folded);
        if *next == *name {
            return name;
        }
        name = next.into_owned();
    }
}

fn is_name(ch: char) -> bool {
    CodePointSetData::new::<XidContinue>().contains(ch)
}

/// Bytes of a text's beginning that can be part of a hashtag. The sign `#` with a selector and a keycap is an emoji of its
/// own.
fn length(text: &str) -> usize {
    if text.trim_start_matches(SELECTORS).starts_with(KEYCAP) {
        return 0;
    }
    let mut at = 0;
    while let Some(length) = step(&text[at..]) {
        at += length;
    }
    at
}

/// Bytes of the character of a name, or of the emoji, that a text begins with.
fn step(text: &str) -> Option<usize> {
    let mut chars = text.chars();
    let first = chars.next()?;
    if is_name(first) {
        let mut length = first.len_utf8();
        let rest = &text[length..];
        let plain = rest.strip_prefix(SELECTORS).unwrap_or(rest);
        if first.is_ascii_digit() && plain.starts_with(KEYCAP) {
            length += rest.len() - plain.len() + KEYCAP.len_utf8();
        }
        return Some(length);
    }
    if CodePointSetData::new::<RegionalIndicator>().contains(first) {
        let second = chars.next()?;
        let is_flag = CodePointSetData::new::<RegionalIndicator>().contains(second);
        return is_flag.then_some(first.len_utf8() + second.len_utf8());
    }
    let mut length = pictograph(text)?;
    while let Some(rest) = text[length..].strip_prefix(JOINER) {
        match pictograph(rest) {
            Some(joined) => length += JOINER.len_utf8() + joined,
            None => break,
        }
    }
    Some(length)
}

/// Bytes of one emoji, with what alters it.
fn pictograph(text: &str) -> Option<usize> {
    let first = text.chars().next()?;
    if !CodePointSetData::new::<ExtendedPictographic>().contains(first) {
        return None;
    }
    let modifiers = CodePointSetData::new::<EmojiModifier>();
    let rest = &text[first.len_utf8()..];
    let altered = rest.trim_start_matches(|ch| SELECTORS.contains(&ch) || modifiers.contains(ch) || TAGS.contains(&ch));
    Some(text.len() - altered.len())
}

/// Bytes of the URL that a text begins with, given the character before it.
fn url(text: &str, before: Option<char>) -> Option<usize> {
    // Scripts without blanks write it right behind a letter.
    if before.is_some_and(|before| before.is_ascii_alphanumeric()) {
        return None;
    }
    let first = *text.as_bytes().first()?;
    if !first.is_ascii_alphabetic() {
        return None;
    }
    let mut bytes = text.bytes().take(LONGEST_SCHEME + 1);
    let scheme = bytes.position(|byte| !(byte.is_ascii_alphanumeric() || b"+.-".contains(&byte)));
    let has_scheme = scheme.is_some_and(|end| {
        let is_mail = text[..end].eq_ignore_ascii_case("mailto") && text[end..].starts_with(':');
        is_mail || text[end..].starts_with("://")
    });
    let is_bare = text.len() > 4 && text.is_char_boundary(4) && text[..4].eq_ignore_ascii_case("www.");
    if !has_scheme && !is_bare {
        return None;
    }
    let in_url = |ch: char| {
        if ch.is_ascii() {
            ch.is_ascii_graphic() && !"<>\"".contains(ch)
        } else {
            is_name(ch)
        }
    };
    Some(text.find(|ch| !in_url(ch)).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(text: &str) -> Vec<String> {
        of_text(text).unwrap().into_iter().map(|hashtag| hashtag.name).collect()
    }

    #[test]
    fn where_they_stand() {
        for (text, expected) in [
            ("ferry to #Cres, 14 euros", &["cres"][..]),
            ("#a #b#c #A", &["a", "b"]),
            ("﹟one ＃two", &["one", "two"]),
            ("##no a#no &#no; /#no _#no", &[]),
            ("(#yes) \"#also\" -#so", &["yes", "also", "so"]),
            ("https://x.org/a#no www.x.org/?q=#no x://y z#no", &[]),
            ("https://x.org/#no。#yes", &["yes"]),
            ("https:// #yes http:#so", &["yes", "so"]),
            ("#2024 #1️⃣ #2024trip #٣", &["1\u{20e3}", "2024trip"]),
            ("#️⃣ #", &[]),
            ("#a-b #c+d #e_f #g.h", &["a", "c", "e_f", "g"]),
            ("#🚗💨! #❤️ #❤", &["🚗💨", "❤"]),
            ("I ❤️#Cres and 🚗#Krk", &["cres", "krk"]),
            ("日本https://x.org/?q=(a)#no mailto:a@b.org?subject=#no #yes", &["yes"]),
            ("#road\u{200d} #\u{3164}", &["road"]),
            ("#🇭🇷 #👩‍👩‍👧 #👍🏽", &["🇭🇷", "👩‍👩‍👧", "👍🏽"]),
            ("#日本語、#道", &["日本語", "道"]),
            ("#नमस्ते #Žižek", &["नमस्ते", "žižek"]),
            (
                "#שלום #سيارة \u{202e}#abc\u{202c} #a\u{200f}b",
                &["שלום", "سيارة", "abc", "a"],
            ),
            ("#١٢٣ #１２ #🇭 #🇭🇷🇸", &["🇭🇷"]),
            ("e\u{301}#no #e\u{301}te\u{301} #\u{301}", &["été"]),
            ("#𝐀𝐁 #ẞ #Σίσυφος", &["ab", "ss", "σίσυφοσ"]),
            ("a.b+c-d://x#no #yes", &["yes"]),
        ] {
            assert_eq!(names(text), expected, "{text}");
        }
    }

    #[test]
    fn schemes_are_short_and_hashtags_few() {
        let long = "a".repeat(LONGEST_SCHEME);
        assert!(names(&format!("{long}://x#no www.{long}#no")).is_empty());
        assert!(names(&format!("{long}://(#no")).is_empty());
        assert_eq!(names(&format!("a{long}://(#yes")), ["yes"]);
        let many: Vec<String> = (0..100).map(|number| format!("#t{number}")).collect();
        assert_eq!(names(&many.join(" ")).len(), MOST + 1);
    }

    #[test]
    fn equal_ones() {
        for (one, other) in [
            ("ＲＯＡＤ", "road"),
            ("STRASSE", "straße"),
            ("ǅ", "dž"),
            ("ﬁ", "FI"),
            ("Ω", "ω"),
            ("é", "e\u{301}"),
            ("❤️", "❤"),
        ] {
            assert_eq!(fold(one), fold(other), "{one} {other}");
        }
        assert_ne!(fold("Zähler"), fold("Zahler"));
    }

    #[test]
    fn on_their_own() {
        let name = |text: &str| Hashtag::parse(text).map(|hashtag| (hashtag.name, hashtag.spelling));
        assert_eq!(name("#Road"), Ok(("road".into(), "Road".into())));
        assert_eq!(name("Road"), Ok(("road".into(), "Road".into())));
        for text in ["", "#", "##a", "a b", "a-b", "12", "#️⃣", "\u{301}", "a\0"] {
            assert_eq!(name(text), Err(Malformed::Form), "{text:?}");
        }
        assert!(name(&"x".repeat(LONGEST)).is_ok());
        assert_eq!(name(&"x".repeat(LONGEST + 1)), Err(Malformed::TooLong));
        assert!(name(&"🚗".repeat(LONGEST)).is_ok());
        assert_eq!(name(&"🚗".repeat(LONGEST + 1)), Err(Malformed::TooLong));
        assert_eq!(name(&"1".repeat(LONGEST + 1)), Err(Malformed::Form));
        // It is three characters when it is compared.
        assert_eq!(name(&"ﬃ".repeat(34)), Err(Malformed::TooLong));
        assert_eq!(
            of_text(&format!("#{}", "x".repeat(LONGEST + 1))),
            Err(Malformed::TooLong)
        );
    }

    proptest! {
        #[test]
        fn what_is_found_is_one_on_its_own(text in "[#＃a-zA-Z0-9é❤️🇭🇷 /&:._\u{200d}\u{fe0f}\u{20e3}-]{0,40}") {
            for hashtag in of_text(&text).unwrap() {
                prop_assert_eq!(Hashtag::parse(&hashtag.spelling).unwrap(), hashtag.clone());
                prop_assert_eq!(fold(&hashtag.name), hashtag.name);
            }
        }

        #[test]
        fn any_text_is_taken(text in "\\PC{0,60}") {
            let _found = of_text(&text);
        }
    }
}
