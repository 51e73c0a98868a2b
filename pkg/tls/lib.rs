//! TLS towards servers: which authorities are trusted, and how a server's certificate is checked.
//!
//! ```no_run
//! # fn main() -> Result<(), tls::Error> {
//! let config = tls::client(tls::Check::Authorities {
//!     roots: tls::authorities(None)?,
//!     failed: |error| eprintln!("the server's certificate cannot be verified: {error}"),
//! })?;
//! # Ok(())
//! # }
//! ```
//!
//! Deliberately not here: certificates that a server shows to its own clients (`web`).

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why servers cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of authorities cannot be used.
    #[error("{}: {reason}", file.display())]
    Authorities {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The TLS library refuses the settings.
    #[error("TLS cannot be set up: {0}")]
    Settings(String),
}

/// How a server's certificate is checked.
#[derive(Debug)]
pub enum Check {
    /// Not at all: protects against eavesdroppers, but not against impostors.
    Nothing,
    /// By these authorities, and by the server's name.
    Authorities {
        /// The authorities.
        roots: RootCertStore,
        /// Called with the error of each certificate that fails.
        failed: fn(&rustls::Error),
    },
}

/// Loads authorities from a PEM file, or else the system's, which may be none.
///
/// # Errors
/// [`Error::Authorities`] where the file cannot be read, or holds no certificate.
pub fn authorities(file: Option<&Path>) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    let Some(file) = file else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(roots);
    };
    let unusable = |reason: String| Error::Authorities {
        file: file.to_owned(),
        reason,
    };
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| unusable(error.to_string()))? {
        let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
        roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(unusable("it holds no certificate in PEM form".to_owned()));
    }
    Ok(roots)
}

/// Makes a client's settings with this check.
///
/// # Errors
/// [`Error::Settings`].
pub fn client(check: Check) -> Result<ClientConfig, Error> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| Error::Settings(error.to_string()))?;
    let verifier = match check {
        Check::Nothing => Verifier {
            provider,
            inner: None,
            failed: |_| {},
        },
        // A system without authorities, as in some containers: every server fails the check, but plain
        // connections still work.
        Check::Authorities { roots, .. } if roots.is_empty() => {
            return Ok(builder.with_root_certificates(roots).with_no_client_auth());
        }
        Check::Authorities { roots, failed } => {
            let inner = WebPkiServerVerifier::builder_with_provider(roots.into(), provider.clone()).build();
            Verifier {
                provider,
                inner: Some(inner.map_err(|error| Error::Settings(error.to_string()))?),
                failed,
            }
        }
    };
    Ok(builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}

/// The library's own check, or none. It also reports failed checks: many clients report them only as an
/// error of input or output.
#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    inner: Option<Arc<WebPkiServerVerifier>>,
    failed: fn(&rustls::Error),
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match &self.inner {
            None => Ok(ServerCertVerified::assertion()),
            Some(inner) => inner
                .verify_server_cert(certificate, between, name, ocsp, now)
                .inspect_err(self.failed),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
