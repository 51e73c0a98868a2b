//! The forerunner's config file: YAML whose values stand below flags and variables.

use anyhow::Context;
use serde_json::Value;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Where the file is, unless a flag or a variable says so.
const USUAL: &str = "/config/config.yaml";

/// Names in the file, and the arguments that they are.
const KNOWN: [(&str, &str); 9] = [
    ("use_tls", "use_tls"),
    ("tls.crt", "tls_cert"),
    ("tls.key", "tls_key"),
    ("port", "port"),
    ("log_level", "log_level"),
    ("cockroach.host", "cockroach_host"),
    ("cockroach.database", "cockroach_database"),
    ("cockroach.user", "cockroach_user"),
    ("cockroach.should_migrate", "should_migrate"),
];

/// What the file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Config {
    /// Arguments and their values.
    given: Vec<(&'static str, String)>,
    /// Names that do nothing here.
    pub(crate) unused: Vec<String>,
}

impl Config {
    /// Reads the file that the command line, the variable or the usual place names; without one, nothing.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let path = named(std::env::args_os()).or_else(|| std::env::var_os("CONFIG_FILE").map(PathBuf::from));
        let path = match path {
            Some(path) => path,
            None if std::path::Path::new(USUAL).exists() => PathBuf::from(USUAL),
            None => return Ok(Self::default()),
        };
        let text = std::fs::read_to_string(&path);
        let text = text.with_context(|| format!("cannot read the config file {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("the config file {} cannot be used", path.display()))
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let mut config = Self::default();
        match serde_saphyr::from_str(text)? {
            Value::Null => {}
            Value::Object(map) => {
                for (name, value) in map {
                    config.take(name, &value)?;
                }
            }
            _ => anyhow::bail!("it has no names; write lines such as port: 9000"),
        }
        Ok(config)
    }

    fn take(&mut self, name: String, value: &Value) -> anyhow::Result<()> {
        let text = match value {
            Value::Object(map) => {
                for (inner, value) in map {
                    self.take(format!("{name}.{inner}"), value)?;
                }
                return Ok(());
            }
            Value::Null => return Ok(()),
            Value::String(text) => text.clone(),
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            Value::Array(_) => anyhow::bail!("{name} is a list; write one value"),
        };
        match KNOWN.iter().find(|(known, _)| *known == name) {
            Some((_, argument)) => self.given.push((argument, text)),
            None => self.unused.push(name),
        }
        Ok(())
    }

    /// Makes the values of the file the defaults of a command's arguments.
    pub(crate) fn defaults(&self, command: clap::Command) -> clap::Command {
        self.given.iter().fold(command, |command, (argument, value)| {
            // Once for each value of the file.
            let value: &'static str = value.clone().leak();
            command.mut_arg(argument, |arg| arg.default_value(value))
        })
    }
}

/// The file that a command line names. Other arguments may be no UTF-8: clap refuses them later.
fn named(arguments: impl Iterator<Item = OsString>) -> Option<PathBuf> {
    let mut arguments = arguments.skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_bytes().strip_prefix(b"--config_file") {
            Some([]) => return arguments.next().map(PathBuf::from),
            Some(value) => {
                let path = value.strip_prefix(b"=");
                return path.map(|path| PathBuf::from(OsStr::from_bytes(path)));
            }
            None => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_arguments() {
        let text = "use_tls: true\ntls:\n  crt: a.pem\nport: 9000\ndebug: true\ncockroach:\n  host: localhost\n  debug: true\n";
        let config = Config::parse(text).unwrap();
        let mut given: Vec<_> = config.given.iter().map(|(name, value)| (*name, &**value)).collect();
        given.sort_unstable();
        assert_eq!(
            given,
            [
                ("cockroach_host", "localhost"),
                ("port", "9000"),
                ("tls_cert", "a.pem"),
                ("use_tls", "true")
            ]
        );
        let mut unused = config.unused;
        unused.sort_unstable();
        assert_eq!(unused, ["cockroach.debug", "debug"]);
        assert_eq!(Config::parse("").unwrap(), Config::default());
        for wrong in ["- a", "port: [1]", "a: {"] {
            assert!(Config::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_command_line_names_the_file() {
        let file = |line: &str| named(line.split(' ').map(OsString::from)).map(|path| path.display().to_string());
        assert_eq!(file("journal --config_file a.yaml").as_deref(), Some("a.yaml"));
        assert_eq!(file("journal --port 1 --config_file=b.yaml").as_deref(), Some("b.yaml"));
        assert_eq!(file("journal --port 1"), None);
        let bytes = [&b"journal"[..], b"--\xff", b"--config_file=\xff.yaml"];
        let arguments = bytes.map(|bytes| OsStr::from_bytes(bytes).to_owned());
        assert_eq!(
            named(arguments.into_iter()),
            Some(OsStr::from_bytes(b"\xff.yaml").into())
        );
    }
}
