//! TLS by `sslmode`.
//!
//! | `sslmode` | connection |
//! |---|---|
//! | `disable` | plain |
//! | `prefer` | encrypted where the server offers it, its certificate unchecked |
//! | `require`, `verify-ca`, `verify-full` | encrypted, certificate and host name checked against the system's roots or `sslrootcert=FILE` |
//! | none | as `prefer` where every host is this machine and there is no `sslrootcert`, as `verify-full` otherwise |
//!
//! Unlike libpq, `require` and the default for other machines verify the certificate: users expect
//! encryption to the right server. On the machine itself no attacker is in between, and Debian's servers
//! have a self-signed certificate.

use crate::Error;
use rustls::RootCertStore;
use std::path::{Path, PathBuf};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How connections are protected.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Disable,
    Prefer,
    Verify { roots: Option<PathBuf> },
}

impl Mode {
    /// Takes `sslmode` and `sslrootcert` out of a URL: the driver knows fewer modes than libpq. Returns no
    /// mode where the URL names neither; [`Mode::unsaid`] is the default.
    pub(crate) fn split(url: &str) -> Result<(String, Option<Self>), Error> {
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(Error::Url("write postgres://user:password@host:port/database".into()));
        }
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut mode, mut roots, mut rest) = (None, None, Vec::new());
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            match parameter.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value),
                Some(("sslrootcert", value)) => {
                    let file = percent::decode(value);
                    let file = file.map_err(|error| Error::Url(format!("sslrootcert: {error}")))?;
                    roots = Some(PathBuf::from(file));
                }
                _ => rest.push(parameter),
            }
        }
        let mode = match mode {
            None if roots.is_none() => None,
            // A URL that names an authority asks for verification by it.
            None => Some("verify-full"),
            said => said,
        };
        let mode = mode.map(|mode| Self::said(mode, roots)).transpose()?;
        let query = rest.join("&");
        Ok((
            if query.is_empty() {
                base.to_owned()
            } else {
                format!("{base}?{query}")
            },
            mode,
        ))
    }

    fn said(mode: &str, roots: Option<PathBuf>) -> Result<Self, Error> {
        match mode {
            "disable" | "allow" | "prefer" if roots.is_some() => Err(Error::Url(
                "sslrootcert has no effect with this sslmode; write sslmode=verify-full".into(),
            )),
            "disable" => Ok(Self::Disable),
            "allow" | "prefer" => Ok(Self::Prefer),
            "require" | "verify-ca" | "verify-full" => Ok(Self::Verify { roots }),
            _ => Err(Error::Url(
                "sslmode is one of disable, prefer, require, verify-ca, verify-full".into(),
            )),
        }
    }

    /// The default mode for these hosts.
    pub(crate) fn unsaid(hosts: &[Host]) -> Self {
        if hosts.iter().any(is_far) {
            Self::Verify { roots: None }
        } else {
            Self::Prefer
        }
    }

    pub(crate) fn protocol(&self) -> SslMode {
        match self {
            Self::Disable => SslMode::Disable,
            Self::Prefer => SslMode::Prefer,
            Self::Verify { .. } => SslMode::Require,
        }
    }

    /// Whether the server's certificate is verified.
    pub(crate) fn verifies(&self) -> bool {
        matches!(self, Self::Verify { .. })
    }

    pub(crate) fn connector(&self) -> Result<MakeRustlsConnect, Error> {
        let check = match self {
            Self::Disable | Self::Prefer => tls::Check::Nothing,
            Self::Verify { roots } => tls::Check::Authorities {
                roots: authorities(roots.as_deref())?,
                // The driver's error says why.
                failed: |_| {},
            },
        };
        let config = tls::client(check).map_err(|error| Error::Url(error.to_string()))?;
        Ok(MakeRustlsConnect::new(config))
    }
}

/// Whether this host is another machine.
pub(crate) fn is_far(host: &Host) -> bool {
    match host {
        Host::Unix(_) => false,
        Host::Tcp(name) => name != "localhost" && !name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback()),
    }
}

fn authorities(file: Option<&Path>) -> Result<RootCertStore, Error> {
    let roots = tls::authorities(file).map_err(|error| Error::Url(format!("sslrootcert {error}")))?;
    if roots.is_empty() {
        return Err(Error::Url(
            "no root certificates found to check the server by; name a file with sslrootcert=".into(),
        ));
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_mode_out_of_the_url() {
        let (url, mode) =
            Mode::split("postgres://a:b@h/d?sslmode=verify-full&application_name=x&sslrootcert=/ca.pem").unwrap();
        assert_eq!(url, "postgres://a:b@h/d?application_name=x");
        assert_eq!(
            mode,
            Some(Mode::Verify {
                roots: Some("/ca.pem".into())
            })
        );
        assert_eq!(Mode::split("postgres://h/d").unwrap().1, None);
        let implied = Mode::split("postgres://h/d?sslrootcert=/ca.pem").unwrap().1;
        assert!(matches!(implied, Some(Mode::Verify { .. })), "{implied:?}");
        assert!(Mode::split("postgres://h/d?sslrootcert=/ca.pem&sslmode=prefer").is_err());
    }

    #[test]
    fn the_authority_s_file_is_percent_encoded() {
        let roots = |file: &str| match Mode::split(&format!("postgres://h/d?sslrootcert={file}")) {
            Ok((_, Some(Mode::Verify { roots }))) => Ok(roots.unwrap()),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.to_string()),
        };
        for (written, file) in [
            ("%2Fetc%2fca.pem", "/etc/ca.pem"),
            ("/etc/our%20own%20CA.pem", "/etc/our own CA.pem"),
            ("/etc/100%25%C3%A9.pem", "/etc/100%é.pem"),
            ("/etc/a%26b.pem", "/etc/a&b.pem"),
        ] {
            assert_eq!(roots(written), Ok(file.into()), "{written}");
        }
        for wrong in ["/etc/100%.pem", "/etc/%+1.pem", "/etc/%FF.pem"] {
            let error = roots(wrong).unwrap_err();
            assert!(error.contains("sslrootcert: "), "{wrong}: {error}");
        }
    }

    #[test]
    fn checks_whoever_is_on_another_machine() {
        let unsaid = |url: &str| Mode::unsaid(url.parse::<tokio_postgres::Config>().unwrap().get_hosts());
        for near in [
            "localhost",
            "127.0.0.1",
            "127.8.9.1",
            "[::1]",
            "%2Frun%2Fpostgresql",
            "localhost,127.0.0.1",
        ] {
            assert_eq!(unsaid(&format!("postgres://u@{near}/d")), Mode::Prefer, "{near}");
        }
        for far in [
            "db",
            "10.0.0.1",
            "[2001:db8::1]",
            "localhost.example",
            "localhost,db",
            "db,127.0.0.1",
        ] {
            assert_eq!(
                unsaid(&format!("postgres://u@{far}/d")),
                Mode::Verify { roots: None },
                "{far}"
            );
        }
    }

    #[test]
    fn refuses_unknown_schemes_and_modes_without_repeating_the_url() {
        for url in ["mysql://root:hunter2@h/d", "postgres://u:hunter2@h/d?sslmode=maybe"] {
            let error = Mode::split(url).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
