//! Verifies the server's certificate by the system's authorities or those of a file.

use crate::Error;
use crate::error::should_log;
use rustls::ClientConfig;
use std::path::Path;

/// Makes a TLS configuration with the authorities of this file, or else the system's.
pub(super) fn config(ca: Option<&str>) -> Result<ClientConfig, Error> {
    let roots = tls::authorities(ca.map(Path::new)).map_err(|error| Error::Url(format!("the ca file {error}")))?;
    let failed = |error: &rustls::Error| {
        let error = error.to_string();
        if should_log(&error) {
            tracing::error!(
                error,
                "the event bus's certificate cannot be verified; name the file of the authority that signed it with ?ca=FILE in the URL, and write the host as the certificate names it"
            );
        }
    };
    tls::client(tls::Check::Authorities { roots, failed }).map_err(|error| Error::Url(error.to_string()))
}
