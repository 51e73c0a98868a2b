//! The flags and variables in a program's `--help`.

use std::path::PathBuf;
use std::process::Command;

/// The output of a program's `--help`.
pub(super) struct Help(String);

impl Help {
    pub(super) fn parse(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub(super) fn of(program: &str) -> Self {
        let path = beside_the_tests(program);
        // With an empty environment, so that the help shows no variable of the developer's as set.
        let output = Command::new(&path).arg("--help").env_clear().output();
        let output =
            output.unwrap_or_else(|error| panic!("run {}: {error}; build it with `make test`", path.display()));
        assert!(output.status.success(), "{program} --help: {output:?}");
        Self(String::from_utf8(output.stdout).expect("help is UTF-8"))
    }

    /// The defined flags, without those that descriptions mention.
    pub(super) fn flags(&self) -> impl Iterator<Item = &str> {
        self.0.lines().flat_map(flags_defined)
    }

    /// Whether a variable is defined, across clap's line breaks.
    pub(super) fn has_variable(&self, name: &str) -> bool {
        let words = self.0.split_whitespace().collect::<Vec<_>>().join(" ");
        words.contains(&format!("[env: {name}=")) || words.contains(&format!("[env: {name}]"))
    }

    /// The flag's default if it is a number, plain or of seconds.
    pub(super) fn default(&self, flag: &str) -> Option<u64> {
        let from = self
            .0
            .lines()
            .skip_while(|line| !flags_defined(line).any(|own| own == flag));
        let description = from
            .enumerate()
            .take_while(|(at, line)| *at == 0 || flags_defined(line).next().is_none());
        let description = description.map(|(_, line)| line).collect::<Vec<_>>().join(" ");
        let (_, default) = description.split_once("[default: ")?;
        default.split(']').next()?.trim_end_matches('s').parse().ok()
    }

    /// Flags that the usage line shows outside brackets.
    pub(super) fn required(&self) -> impl Iterator<Item = &str> {
        let usage = self
            .0
            .lines()
            .skip_while(|line| !line.starts_with("Usage:"))
            .take_while(|line| !line.is_empty());
        usage
            .flat_map(str::split_whitespace)
            .filter(|word| word.starts_with("--"))
    }
}

fn flags_defined(line: &str) -> impl Iterator<Item = &str> {
    let words = line.split_whitespace().take_while(|word| word.starts_with('-'));
    words.map(|word| word.trim_end_matches(','))
}

fn beside_the_tests(program: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    // This is target/PROFILE/deps/e2e-HASH; the programs lie in target/PROFILE.
    test.ancestors()
        .nth(2)
        .expect("a test lies two folders deep")
        .join(program)
}

#[test]
fn help_is_read_as_clap_writes_it() {
    let help = Help::parse(
        "Does things, unlike --other does\n\nUsage: thing [OPTIONS] --to <URL>\n\nOptions:\n      \
         --to <URL>\n          Where to [env:\n          TO_URL=x]\n\n      --key <KEY>\n          See --gone \
         [env: KEY]\n\n      --port <PORT>  Which [env: PORT=] [default: 5000]\n  -h, --help\n",
    );
    assert_eq!(
        help.flags().collect::<Vec<_>>(),
        ["--to", "--key", "--port", "-h", "--help"]
    );
    assert!(help.has_variable("TO_URL") && help.has_variable("KEY") && help.has_variable("PORT"));
    assert!(!help.has_variable("TO") && !help.has_variable("URL"));
    assert_eq!(help.default("--port"), Some(5000));
    assert_eq!(help.default("--to"), None);
}
