//! Where a webhook goes: a URL, judged when it is given.

use crate::{Allowed, Error};
use http::{HeaderValue, Uri};
use rustls::pki_types::ServerName;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use url::{Host, Url};

/// Longest URL in bytes.
const LONGEST: usize = 2048;

const ABSOLUTE: &str = "write it like https://hooks.example.com/path";
const PUBLIC: &str = "use the https address of a host on the public internet; the operator can open others \
                      with --allow-target";

/// Where a webhook goes. Its path can hold a secret, so `Debug` and `Display` show the host only.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    origin: Arc<Origin>,
    url: Url,
    path: Uri,
}

/// What one connection can serve.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    pub(crate) host: Name,
    pub(crate) port: u16,
    /// The name that the certificate is checked for; none for `http`.
    pub(crate) tls: Option<ServerName<'static>>,
    pub(crate) header: HeaderValue,
}

/// A host's name, or the address that a URL names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Name {
    /// Lower-case ASCII, without a full stop at its end.
    Host(String),
    Ip(IpAddr),
}

impl Target {
    /// Judges a URL. It is `https` unless its host or address is open. The names of hosts are not resolved:
    /// their addresses are judged before each connection.
    ///
    /// # Errors
    /// [`Error::Target`] for another scheme, a user, a password, a fragment, port 0, an address that is not
    /// public in any of its forms, and what URL parsers read differently: blanks, control
    /// characters, backslashes, one slash too many or too few.
    pub fn parse(text: &str, allowed: &Allowed) -> Result<Self, Error> {
        let authority = authority(text)?;
        if authority.contains('@') {
            return Err(wrong(
                "the URL names a user",
                "leave out what is before the @, and give credentials as a header",
            ));
        }
        let url = Url::parse(text).map_err(|error| wrong(format!("the URL cannot be read: {error}"), ABSOLUTE))?;
        if url.fragment().is_some() {
            return Err(wrong(
                "the URL has a fragment, which is never sent",
                "leave out the # and what follows it, or write the # as %23",
            ));
        }
        let target = Self::of(url)?;
        target.judge(allowed)?;
        Ok(target)
    }

    /// The same host with another path and query, percent-encoded, that begin with a slash.
    ///
    /// # Errors
    /// [`Error::Target`] for what [`Target::parse`] refuses, and for a segment `.` or `..`, with which a
    /// value that is filled in would lead elsewhere.
    pub fn at(&self, path_and_query: &str) -> Result<Self, Error> {
        let path = path_and_query.split('?').next().unwrap_or_default();
        let dots = |segment: &str| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..");
        if !path.starts_with('/') || path.split('/').any(dots) {
            return Err(wrong(
                "the path does not begin with a slash, or has a segment . or ..",
                "write it like /path?name=value",
            ));
        }
        let text = format!("{}{path_and_query}", self.url.origin().ascii_serialization());
        check_text(&text)?;
        let url = Url::parse(&text).map_err(|error| wrong(format!("the path cannot be read: {error}"), ABSOLUTE))?;
        if url.fragment().is_some() {
            return Err(wrong("the path has a fragment", "write a # as %23"));
        }
        let path = path_of(&url)?;
        let origin = self.origin.clone();
        Ok(Self { origin, url, path })
    }

    /// The whole URL in its normal form, secrets in its path included.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// Whether requests are encrypted.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.origin.tls.is_some()
    }

    /// The host's name, or the address that the URL names, without brackets.
    #[must_use]
    pub fn host(&self) -> String {
        match &self.origin.host {
            Name::Host(name) => name.clone(),
            Name::Ip(ip) => ip.to_string(),
        }
    }

    pub(crate) fn origin(&self) -> &Arc<Origin> {
        &self.origin
    }

    pub(crate) fn path(&self) -> &Uri {
        &self.path
    }

    fn of(url: Url) -> Result<Self, Error> {
        let no_host = || wrong("the URL has no host", ABSOLUTE);
        let port = url.port_or_known_default().ok_or_else(no_host)?;
        if port == 0 {
            return Err(wrong("the URL has the port 0", "leave it out, or use the endpoint's"));
        }
        let (host, shown) = match url.host().ok_or_else(no_host)? {
            Host::Ipv4(ip) => (Name::Ip(ip.into()), ip.to_string()),
            Host::Ipv6(ip) => (Name::Ip(ip.into()), format!("[{ip}]")),
            Host::Domain(name) => {
                let name = name.strip_suffix('.').unwrap_or(name).to_owned();
                // What TLS cannot name, no resolver knows either.
                if ServerName::try_from(name.as_str()).is_err() {
                    return Err(wrong("the URL's host is no name of a host", ABSOLUTE));
                }
                (Name::Host(name.clone()), name)
            }
        };
        let tls = match (url.scheme(), &host) {
            ("https", Name::Ip(ip)) => Some(ServerName::from(*ip)),
            ("https", Name::Host(name)) => ServerName::try_from(name.clone()).ok(),
            _ => None,
        };
        let header = url.port().map_or(shown.clone(), |port| format!("{shown}:{port}"));
        let header = HeaderValue::from_str(&header).map_err(|_| no_host())?;
        let path = path_of(&url)?;
        let origin = Arc::new(Origin {
            host,
            port,
            tls,
            header,
        });
        Ok(Self { origin, url, path })
    }

    fn judge(&self, allowed: &Allowed) -> Result<(), Error> {
        match &self.origin.host {
            Name::Ip(ip) if !allowed.permits(None, *ip) => {
                return Err(wrong(format!("the address {ip} is not public"), PUBLIC));
            }
            // RFC 6761 keeps these names for the machine itself.
            Name::Host(name) if (name == "localhost" || name.ends_with(".localhost")) && !allowed.opens_host(name) => {
                return Err(wrong("localhost is not public", PUBLIC));
            }
            _ => {}
        }
        if !self.origin.may_be_plain(allowed) && !self.is_https() {
            return Err(wrong("the URL is not https", PUBLIC));
        }
        Ok(())
    }
}

impl Origin {
    /// Whether `http` is permitted: for open hosts, and for addresses of open networks.
    pub(crate) fn may_be_plain(&self, allowed: &Allowed) -> bool {
        match &self.host {
            Name::Host(name) => allowed.opens_host(name),
            Name::Ip(ip) => allowed.opens(*ip),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url.origin().ascii_serialization())
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({self})")
    }
}

fn wrong(wrong: impl Into<String>, hint: &'static str) -> Error {
    let wrong = wrong.into();
    Error::Target { wrong, hint }
}

/// The part between the slashes after the scheme and the path, as it is written.
fn authority(text: &str) -> Result<&str, Error> {
    check_text(text)?;
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(wrong("the URL is not absolute", ABSOLUTE));
    };
    if !["https", "http"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return Err(wrong("the URL is not https", PUBLIC));
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.is_empty() {
        return Err(wrong("the URL has no host", ABSOLUTE));
    }
    Ok(authority)
}

fn check_text(text: &str) -> Result<(), Error> {
    if text.len() > LONGEST {
        return Err(wrong("the URL has more than 2048 bytes", "use a shorter one"));
    }
    let bad = |c: char| c.is_whitespace() || c.is_control() || c == '\\';
    if text.contains(bad) {
        return Err(wrong(
            "the URL has a blank, a control character or a backslash",
            "percent-encode it: a blank is %20",
        ));
    }
    Ok(())
}

fn path_of(url: &Url) -> Result<Uri, Error> {
    let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
    path.parse().map_err(|_| {
        wrong(
            "the URL's path has a character that HTTP cannot send",
            "percent-encode it",
        )
    })
}
