use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

/// A token as text: its line, kind and bytes. Two of zeros in a row are kept, as where chunks cut them.
fn show((number, token): (u64, Token<'_>)) -> String {
    let text = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(&without_runs(bytes)).into_owned();
        text.trim_end_matches(['\0', '\r', ' ']).to_owned()
    };
    match token {
        Token::Line { bytes, part: false } => format!("{number} {}", text(bytes)),
        Token::Line { bytes, part: true } => format!("{number} part {}", text(bytes)),
        Token::Value { bytes, ordinal } => format!("{number}.{ordinal} {}", text(bytes)),
        Token::Within { bytes, ordinal } => format!("{number}.{ordinal} within {}", text(bytes)),
        Token::TooLong { bytes, ordinal, .. } => format!("{number} {ordinal:?} too long {}", text(bytes)),
        Token::Syntax(bytes) => format!("{number} syntax {}", text(bytes)),
    }
}

/// The pieces of a body in chunks that end at `cuts`.
fn scan(body: &[u8], cuts: &[usize], max: usize) -> Vec<String> {
    let mut scanner = Scanner::new(max);
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (body.len() + 1)).collect();
    cuts.extend([0, body.len()]);
    cuts.sort_unstable();
    let mut found = Vec::new();
    for range in cuts.windows(2) {
        let mut chunk = &body[range[0]..range[1]];
        while let Some(token) = scanner.next(&mut chunk) {
            found.push(show(token));
        }
        assert!(chunk.is_empty());
    }
    while let Some(token) = scanner.finish() {
        found.push(show(token));
    }
    found
}

/// Checks the body whole, and in chunks of each size.
fn check(body: &str, max: usize, expected: &[&str]) {
    assert_eq!(scan(body.as_bytes(), &[], max), expected, "{body:?}");
    for size in 1..4 {
        let cuts: Vec<usize> = (0..body.len()).step_by(size).collect();
        assert_eq!(
            scan(body.as_bytes(), &cuts, max),
            expected,
            "{body:?} in chunks of {size}"
        );
    }
}

#[test]
fn lines() {
    check("", 9, &[]);
    check("\u{feff}\r\n \0\n\u{feff}", 9, &[]);
    check(
        "\u{feff}one\r\n\n  \t\r\n\u{feff} two\nthree",
        9,
        &["1 one", "4 two", "5 three"],
    );
    check("\u{feff}{}\n{}", 9, &["1 {}", "2 {}"]);
    check("{} {}\n{}{", 9, &["1 {} {}", "2 {}{"]);
    check("\u{1e}{}\n\u{1e}one\n", 9, &["1 {}", "2 one"]);
}

#[test]
fn zeros_count_towards_no_limit() {
    let zeros = "\0".repeat(50);
    check(
        &format!("{zeros}{{}}{zeros}{{}}{zeros}\n{zeros}{{}}"),
        9,
        &["1 {}\0\0{}", "2 {}"],
    );
    check(&format!("{}{{}}", " ".repeat(50)), 9, &["1 {}"]);
}

#[test]
fn long_lines_are_cut_between_values() {
    check("{}{} {}{}{}\n{}", 8, &["1 part {}{} {}", "1 part {}{}", "2 {}"]);
    check("{}{{}{}{}{}{}", 8, &["1 part {}", "1 part {{}{}{}", "1 part {}{}"]);
    check(
        "{\"abcdefghi\":1}{}\n{}",
        8,
        &["1 None too long {\"abcdef", "1 part {}", "2 {}"],
    );
    // What is behind a value that is too long, or behind bytes that are none, is kept; also behind many blanks.
    check(
        "{\"}\\\"}}}\":{}}{}{}",
        8,
        &["1 None too long {\"}\\\"}}}", "1 part {}}{}{}"],
    );
    check("xxxxxxxxxxxxxxx{}{}\n", 8, &["1 None too long xxxxxxxx", "1 part {}{}"]);
    check(
        &format!("{{}}{0}{{}}{0}\n{{}}", " ".repeat(20)),
        8,
        &["1 part {}", "1 part {}", "2 {}"],
    );
    check(
        "{}{}{\"abcdefghi\":1}\n{}",
        8,
        &["1 part {}{}", "1 None too long {\"abcdef", "2 {}"],
    );
    check("xxxxxxxxxxxxxxxxxxxx\n{}", 8, &["1 None too long xxxxxxxx", "2 {}"]);
}

/// Clients wrap batches of readings in an object.
#[test]
fn objects_in_a_value_that_is_too_long_are_found() {
    check(
        "{\"a\":[{},{},{}],\"b\":{}}{}\n{}",
        8,
        &[
            "1 None too long {\"a\":[",
            "1 part {},{},{}",
            "1 part ],\"b\":{}",
            "1 part }{}",
            "2 {}",
        ],
    );
    check(
        "[{\"a\":[{},{}]},\n{}]",
        8,
        &["1 Some(1) too long {\"a\":[", "1.1 within {},{}]}", "2.1 {}"],
    );
    check(
        "[{\"abcdefgh\":[{}]},{}]",
        8,
        &["1 Some(1) too long {\"abcdef", "1.1 within {}]}", "1.2 {}"],
    );
    // A text that looks like objects is none.
    check(
        "[{\"a\":\"{}{}{}{}\"},{}]",
        8,
        &["1 Some(1) too long {\"a\":\"{}", "1.2 {}"],
    );
    check(
        "[{\"a\":[{},{}",
        8,
        &["1 Some(1) too long {\"a\":[", "1.1 within {},{}", "1 syntax "],
    );
}

#[test]
fn documents() {
    check("[]", 9, &[]);
    check(" \n[{} , {}\n,{}]\n", 9, &["2.1 {}", "2.2 {}", "3.1 {}"]);
    check(
        "[{}]\n[]\n\u{feff}[{},{}][{}]",
        9,
        &["1.1 {}", "3.1 {}", "3.2 {}", "3.3 {}"],
    );
    check("{\n}\n{\n} {}", 9, &["1.1 {\n}", "3.1 {\n}", "4.1 {}"]);
    // As a JSON text sequence.
    check("\u{1e}{\n}\n\u{1e}{\n}\n", 9, &["1.1 {\n}", "3.1 {\n}"]);
    check("\n{\"a\":\n\n\"}{\\\"\"\n}\n", 20, &["2.1 {\"a\":\n\"}{\\\"\"\n}"]);
    check("[{\"a\":12345678},{}]", 8, &["1 Some(1) too long {\"a\":123", "1.2 {}"]);
}

#[test]
fn what_is_no_document() {
    check("[{}", 9, &["1.1 {}", "1 syntax "]);
    check("[{},]", 9, &["1.1 {}", "1 syntax ]"]);
    check("[{}]\nabcdef", 9, &["1.1 {}", "2 syntax abcd"]);
    check("[1]", 9, &["1 syntax 1]"]);
    check("[{}],[{}]", 9, &["1.1 {}", "1 syntax ,[{}"]);
    check("[{}]{}", 9, &["1.1 {}", "1 syntax {}"]);
    check("[{}{}]", 9, &["1.1 {}", "1 syntax {}]"]);
    check("{\n\"a\":", 9, &["1 syntax "]);
    check("[{},\n\n{\n\"a\":\n1,\n", 20, &["1.1 {}", "3 syntax "]);
    check("{\n}\n]", 9, &["1.1 {\n}", "3 syntax ]"]);
}

#[test]
fn a_torn_first_line_is_no_document() {
    // The second line stands by itself.
    check("{\"a\n{}\n{", 9, &["1 {\"a", "2 {}", "3 {"]);
    check("{\"a\":\n\n{}\n", 9, &["1 {\"a\":", "3 {}"]);
    check("{\"a\n{\"b\n{}", 9, &["1 {\"a", "2 {\"b", "3 {}"]);
    check("{\"a\n{}{}{}{}{}\n", 6, &["1 {\"a", "2 part {}{}{}", "2 part {}{}"]);
    // There is no second line.
    check("{\"a", 9, &["1 {\"a"]);
    check("{\"a\n\n", 9, &["1 {\"a"]);
}

#[test]
fn lines_become_a_document_where_a_line_goes_on_with_an_object() {
    // The end of an object that was cut off, and objects over several lines.
    check(
        "\"a\":1\n}\n{\n\"b\":1\n}\n{\n\"c\":\n1}\n{}",
        12,
        &["1 \"a\":1", "2 }", "3.1 {\n\"b\":1\n}", "6.1 {\n\"c\":\n1}", "9.1 {}"],
    );
    check("{\"a\n{\n\n\n\"b\":1\n}\n", 12, &["1 {\"a", "2.1 {\n\"b\":1\n}"]);
    check("{}\n{\n\"b\":", 12, &["1 {}", "2 syntax "]);
    // A torn line, and text that no object goes on with.
    check("{}\n{\"a\nxyz\n{}", 12, &["1 {}", "2 {\"a", "3 xyz", "4 {}"]);
    check("{}\n{\"a\":\n{\"b\n{}", 12, &["1 {}", "2 {\"a\":", "3 {\"b", "4 {}"]);
}

/// A line that ends with the end of an inner object is not whole, wherever a chunk ends.
#[test]
fn an_inner_object_may_end_a_line() {
    check(
        "{}\n{\"a\":{}\n,\"b\":1}\n{}",
        20,
        &["1 {}", "2.1 {\"a\":{}\n,\"b\":1}", "4.1 {}"],
    );
}

/// The return of a line's end is no part of a document, wherever a chunk ends.
#[test]
fn a_return_counts_the_same_in_every_chunk() {
    let body = b"{\"sensor\":\r\n1}\r\n{}\r\n";
    for max in 3..20 {
        for cut in 0..body.len() {
            assert_eq!(scan(body, &[cut], max), scan(body, &[], max), "{max} {cut}");
        }
    }
}

#[test]
fn a_client_may_say_that_its_body_has_lines_alone() {
    let body = b"[7]\n{\n\"a\":1\n}\n";
    let mut scanner = Scanner::new(9).of_lines();
    let mut chunk = &body[..];
    let found: Vec<String> = std::iter::from_fn(|| scanner.next(&mut chunk).map(show)).collect();
    assert_eq!(found, ["1 [7]", "2 {", "3 \"a\":1", "4 }"]);
}

/// Memory is constant in the number of blank lines.
#[test]
fn blank_lines_behind_a_beginning_are_counted_and_not_held() {
    let blank = vec![b'\n'; 1 << 20];
    for (next, expected) in [("{}\n", "{} line"), ("\"a\":1}\n", "document")] {
        let mut scanner = Scanner::new(20);
        for part in [b"{\n", &blank[..], next.as_bytes()] {
            let mut chunk = part;
            while let Some((number, token)) = scanner.next(&mut chunk) {
                match token {
                    Token::Value { .. } => assert_eq!((number, expected), (1, "document")),
                    Token::Line { bytes: b"{", .. } => assert_eq!(number, 1),
                    Token::Line { .. } => assert_eq!((number, expected), ((1 << 20) + 2, "{} line")),
                    other => panic!("{other:?}"),
                }
            }
        }
        assert!(scanner.held.bytes.capacity() < 64, "{expected}");
    }
}

fn part() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => proptest::sample::select(vec![
            "{}", "{\"a\":1}", "{\"a\":\"}\"}", "{", "}", "[", "]", ",", "\"", "\\", "x", "\n", "\r\n", " ", "\0", "\0\0\0",
            "\u{feff}", "ü", "{\"a\":[{}]}", "{\"sensor\":",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..4),
    ]
}

proptest! {
    #[test]
    fn chunks_make_no_difference(parts in vec(part(), 0..30), cuts in vec(0_usize..300, 0..20), max in 3_usize..20) {
        let body = parts.concat();
        prop_assert_eq!(scan(&body, &cuts, max), scan(&body, &[], max));
    }

    #[test]
    fn no_object_of_a_line_is_lost(lines in vec(vec("\\{\"a\":[1-9][0-9]{0,4}\\}", 0..9), 0..9), zeros in 0_usize..9) {
        let blank = "\0".repeat(zeros);
        let body = lines.iter().map(|line| line.join(&blank) + "\n").collect::<String>();
        let found: String = scan(body.as_bytes(), &[], 12).concat();
        let objects = |text: &str| text.matches("{\"a\":").count();
        prop_assert_eq!(objects(&found), objects(&body));
    }
}
