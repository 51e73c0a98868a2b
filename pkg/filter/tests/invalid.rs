//! Texts that are no filters: where the problem is, what is wrong, what to write instead.

use filter::{Filter, Vocabulary};

fn told(text: &str) -> String {
    let vocabulary = Vocabulary::of(["speed", "data", "time"])
        .map("value")
        .function("inside", 1)
        .function("near", 3);
    match Filter::compile(text, &vocabulary) {
        Ok(_) => panic!("{text} compiles"),
        Err(invalid) => {
            let position = invalid.position;
            let shown = text.escape_debug();
            format!("{shown}\n  {position}: {}\n  {}\n", invalid.message, invalid.hint)
        }
    }
}

#[test]
fn errors_have_a_place_a_sentence_and_a_hint() {
    let all: Vec<String> = [
        "",
        "  \n // nothing\n",
        "speed >",
        "> 120",
        "speed > 120 &&",
        "speed 120",
        "speed > 120 speed",
        "speed = 120",
        "speed > 120 and time",
        "not speed",
        "speed > 1 or speed < 2",
        "speed & 1",
        "speed | 1",
        "speed >< 2",
        "speed > > 2",
        "(speed > 1",
        "speed > 1)",
        "(speed > 1]",
        "[1, 2",
        "speed ? 1",
        "speed ? 1 :",
        "speed : 1",
        "speed > 'abc",
        "speed > \"abc\n",
        "'''abc''",
        "speed > 'a\\q'",
        "speed > 1.",
        "speed > 1x",
        "speed > 0x",
        "speed > 1e",
        "speed > 9223372036854775808",
        "speed > 18446744073709551616u",
        "geschwindigkeit > 1",
        "speed\n  > 1\n&& ünter > 2",
        "'é' == speed || other",
        "speed > “1”",
        "speed > 1\0",
        "\u{feff}speed",
        "`speed`",
        "data.`a`",
        "data.?a",
        "data[?1]",
        "[?speed]",
        "data.",
        "data.1",
        "data..a",
        ".speed",
        "for > 1",
        "value",
        "value.x",
        "value[speed]",
        "value[1]",
        "value['a'].b + value",
        "has(value)",
        "has(value.x)",
        "has(speed)",
        "has()",
        "has(data.a, 1)",
        "data.has(a)",
        "unknown(1)",
        "inside()",
        "inside(1, 2)",
        "speed.inside('a')",
        "near('a')",
        "size()",
        "speed.size(1)",
        "contains(speed, 'a')",
        "type(speed)",
        "dyn(speed)",
        "int",
        "speed.matches('a')",
        "matches('a', 'b')",
        "data.a.map(x, x)",
        "data.a.filter(x, x)",
        "map(1)",
        "data.a.exists(x, data.b.exists(y, x == y))",
        "data.a.all(x, x.all(y, y))",
        "data.exists(x)",
        "data.exists(1, true)",
        "exists(x, x)",
        "data.a.exists(value, value == 1)",
        "data.a.exists(.x, x)",
        "data.a.exists(x, y)",
        "data.a.exists(x, x) && x",
        "Point{x: 1}",
        "data.Point{x: 1}",
        "speed{}",
        "{1}",
        "{1: }",
        "{'a': 1",
        "[1,,2]",
        "size(speed,)",
        "speed @ 1",
        "speed > 1; true",
        "speed === 1",
        "!",
        "-",
        "speed !",
        "1 +",
        "+ 1",
        "optional.of(1)",
        "speed.of()",
    ]
    .map(told)
    .to_vec();
    insta::assert_snapshot!(all.join("\n"));
}
