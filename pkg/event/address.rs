//! URLs of event buses.
//!
//! `memory://NAME`, or
//! `nats://[USER:PASSWORD@]HOST[:PORT][,HOST[:PORT]…]/NAME[?replicas=N][&max_bytes=N][&creds=FILE][&ca=FILE]`;
//! `tls://` instead of `nats://` requires TLS, and so does `ca`, the authority that signed the server's
//! certificate. The stream is named NAME in capitals.

use crate::{Error, Lane, Names};

/// A parsed URL.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Memory(String),
    Nats(Nats),
}

/// A NATS JetStream stream and its servers.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Nats {
    /// Servers in the client's form: `nats://host:port`.
    pub(crate) servers: Vec<String>,
    pub(crate) user: Option<(String, String)>,
    pub(crate) creds: Option<String>,
    /// A file of certificates that replaces the system's authorities.
    pub(crate) ca: Option<String>,
    /// The first token of the subjects, in lower case.
    pub(crate) name: String,
    pub(crate) replicas: usize,
    pub(crate) max_bytes: i64,
    pub(crate) names: &'static Names,
}

impl std::fmt::Debug for Nats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the password.
        write!(f, "Nats({:?}/{})", self.servers, self.name)
    }
}

impl Nats {
    /// The stream of events: the name in capitals, `EVENTS`.
    pub(crate) fn stream(&self) -> String {
        self.name.to_uppercase()
    }

    /// The subject of a lane: `events.live`, `events.bulk`.
    pub(crate) fn subject(&self, lane: Lane) -> String {
        format!("{}.{}", self.name, lane.name())
    }

    /// The spare stream: `EVENTS_SPARE`.
    pub(crate) fn spare_stream(&self) -> String {
        format!("{}_SPARE", self.stream())
    }

    /// The subject of a lane on the spare stream: `events_spare.live`, `events_spare.bulk`.
    pub(crate) fn spare_subject(&self, lane: Lane) -> String {
        format!("{}_spare.{}", self.name, lane.name())
    }

    /// Whether the URL requires TLS.
    pub(crate) fn insists_on_tls(&self) -> bool {
        self.ca.is_some() || self.servers.iter().any(|server| server.starts_with("tls://"))
    }

    /// The stream of dead letters: `EVENTS_DEAD`.
    pub(crate) fn dead_stream(&self) -> String {
        format!("{}_DEAD", self.stream())
    }
}

/// Size limit of a new stream, in bytes, where the URL sets none.
const DEFAULT_MAX_BYTES: i64 = 4 << 30;

impl Address {
    pub(crate) fn parse(url: &str, names: &'static Names) -> Result<Self, Error> {
        let help = "write nats://host:4222/NAME, or memory://NAME inside one process";
        let bad = |what: &str| Error::Url(format!("{what}; {help}"));
        let (scheme, rest) = url.split_once("://").ok_or_else(|| bad("it has no scheme"))?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        match scheme {
            "memory" if !query.is_empty() => Err(bad("memory:// takes no parameters")),
            "memory" => Ok(Self::Memory(
                name_of(rest.trim_matches('/')).ok_or_else(|| bad("its name is not 1 to 64 of A-Z a-z 0-9 _"))?,
            )),
            "nats" | "tls" => Self::parse_nats(scheme, rest, query, names, &bad).map(Self::Nats),
            // Another scheme may be a misplaced password, so the error does not repeat it.
            other if other.bytes().all(|byte| byte.is_ascii_lowercase()) => {
                Err(bad(&format!("the scheme {other} is unknown")))
            }
            _ => Err(bad("its scheme is unknown")),
        }
    }

    fn parse_nats(
        scheme: &str,
        rest: &str,
        query: &str,
        names: &'static Names,
        bad: &dyn Fn(&str) -> Error,
    ) -> Result<Nats, Error> {
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => {
                if user.contains('@') {
                    return Err(bad("credentials stand once, before the first host"));
                }
                let (name, password) = user
                    .split_once(':')
                    .ok_or_else(|| bad("a user needs a password: USER:PASSWORD@"))?;
                (Some((decode(name, bad)?, decode(password, bad)?)), hosts)
            }
            None => (None, authority),
        };
        if hosts.split(',').any(str::is_empty) {
            return Err(bad("a host is missing"));
        }
        let name = name_of(path.trim_matches('/'))
            .ok_or_else(|| bad("the path names the stream with 1 to 64 of A-Z a-z 0-9 _"))?;
        let mut address = Nats {
            servers: hosts.split(',').map(|host| format!("{scheme}://{host}")).collect(),
            user,
            creds: None,
            ca: None,
            name,
            replicas: 1,
            max_bytes: DEFAULT_MAX_BYTES,
            names,
        };
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            match parameter.split_once('=') {
                Some(("replicas", value)) => {
                    address.replicas = value
                        .parse()
                        .ok()
                        .filter(|n| (1..=5).contains(n))
                        .ok_or_else(|| bad("replicas is 1 to 5"))?;
                }
                Some(("max_bytes", value)) => {
                    address.max_bytes = value
                        .parse()
                        .ok()
                        .filter(|n| *n > 0)
                        .ok_or_else(|| bad("max_bytes is a number of bytes"))?;
                }
                Some(("creds", value)) => address.creds = Some(decode(value, bad)?),
                Some(("ca", value)) => address.ca = Some(decode(value, bad)?),
                _ => return Err(bad("its parameters are replicas, max_bytes, creds and ca")),
            }
        }
        Ok(address)
    }
}

fn name_of(path: &str) -> Option<String> {
    let valid = (1..=64).contains(&path.len()) && path.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    valid.then(|| path.to_lowercase())
}

fn decode(text: &str, bad: &dyn Fn(&str) -> Error) -> Result<String, Error> {
    percent::decode(text).map_err(|error| bad(&error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    const NAMES: &Names = &Names {
        program: "test",
        reader: "reader",
        stream: "",
        spare: "",
        consumer: "",
    };

    #[test]
    fn takes_urls_apart() {
        let Ok(Address::Nats(nats)) = Address::parse(
            "nats://me:p%40ss@a:4222,b:4223/Events?replicas=3&creds=%2Fetc%2Fn.creds&ca=/ca.pem",
            NAMES,
        ) else {
            panic!("not a NATS address");
        };
        assert_eq!(nats.servers, ["nats://a:4222", "nats://b:4223"]);
        assert_eq!(nats.user, Some(("me".into(), "p@ss".into())));
        assert_eq!(nats.creds.as_deref(), Some("/etc/n.creds"));
        assert_eq!(nats.ca.as_deref(), Some("/ca.pem"));
        assert_eq!(
            (nats.stream().as_str(), nats.dead_stream().as_str()),
            ("EVENTS", "EVENTS_DEAD")
        );
        assert_eq!(nats.replicas, 3);
        assert!(!format!("{nats:?}").contains("p@ss"));
        assert_eq!(
            Address::parse("memory://events", NAMES).unwrap(),
            Address::Memory("events".into())
        );
    }

    #[test]
    fn says_what_is_wrong() {
        let mut errors = String::new();
        for url in [
            "events",
            "kafka://h/events",
            "nats://h",
            "nats:///events",
            "nats://h/a.b",
            "nats://h/events?replicas=0",
            "nats://h/events?color=red",
            "nats://u@h/events",
            "nats://u:%+1@h/events",
            "nats://u:p@h1,u:p@h2/events",
            "memory://events?x=1",
            "memory://",
            "me:hunter2@nats://h/events",
            "nats://me:hunter2/x@h/events",
        ] {
            let error = Address::parse(url, NAMES).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{url}: {error}");
            let _written = writeln!(errors, "{url}\n    {error}");
        }
        insta::assert_snapshot!(errors);
    }
}
