//! What every program and every command of `odograph` says of itself, word for word, and of arguments that are no text.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

/// The programs, but for `odograph`.
const PROGRAMS: [&str; 7] = [
    "ingestor",
    "persistor",
    "api",
    "dumper",
    "notifier",
    "messages",
    "journal",
];

/// What `--help` prints, with an empty environment, so that no variable of the developer's shows as set.
fn help(program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(testutil::built(program));
    let output = command.args(arguments).arg("--help").env_clear().output().unwrap();
    assert!(output.status.success(), "{output:?}");
    // Clap pads the empty lines between flags.
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// The names under "Commands:".
fn commands(help: &str) -> Vec<String> {
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    listed
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|name| !name.is_empty() && *name != "help")
        .map(str::to_owned)
        .collect()
}

#[test]
fn of_each_program() {
    for program in PROGRAMS {
        insta::assert_snapshot!(program, help(program, &[]));
    }
}

#[test]
fn of_each_command() {
    let top = help("odograph", &[]);
    let mut names = Vec::new();
    for command in commands(&top) {
        let text = help("odograph", &[&command]);
        for below in commands(&text) {
            let name = format!("odograph {command} {below}");
            insta::assert_snapshot!(name.replace(' ', "-"), help("odograph", &[&command, &below]));
        }
        insta::assert_snapshot!(format!("odograph-{command}"), text);
        names.push(command);
    }
    insta::assert_snapshot!("odograph", top);
    assert!(names.len() > 8, "{names:?}");
}

#[test]
fn an_argument_that_is_no_utf_8_is_refused() {
    let wrong = OsStr::from_bytes(b"\xff");
    let programs = PROGRAMS.map(|program| vec![program]);
    let commands = [
        vec!["odograph"],
        vec!["odograph", "journal"],
        vec!["odograph", "tail", "--device"],
    ];
    for words in programs.into_iter().chain(commands) {
        let mut command = Command::new(testutil::built(words[0]));
        let output = command.args(&words[1..]).arg(wrong).env_clear().output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
        assert!(said.starts_with("error: "), "{words:?}: {said}");
    }
}
