//! Why a webhook cannot be set up.

/// Why a webhook cannot be set up. Each text says what is wrong and what to do, and repeats no secret: of
/// a URL only its host, of a header only its name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Ask for another URL.
    #[error("{wrong}; {hint}")]
    Target {
        /// What is wrong with the URL, as a sentence.
        wrong: String,
        /// What to write instead.
        hint: &'static str,
    },
    /// Ask for another header.
    #[error("the header {name} {wrong}")]
    Header {
        /// The header's name as it was given, at most 64 characters of it.
        name: String,
        /// What is wrong with it, and what to do.
        wrong: &'static str,
    },
    /// Send another id or method.
    #[error("{0}")]
    Request(&'static str),
    /// Correct a value of `--allow-target`.
    #[error("{value}: {wrong}; write a host such as hooks.example.com, or addresses such as 10.1.0.0/16")]
    Allowed {
        /// The value.
        value: String,
        /// What is wrong with it.
        wrong: &'static str,
    },
    /// Configure a better signing key.
    #[error("{0}; make one with: openssl rand -base64 32")]
    Key(&'static str),
    /// TLS cannot be set up on this machine.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}
