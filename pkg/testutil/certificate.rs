//! Certificates of a private authority.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use std::path::{Path, PathBuf};

/// A new authority, which no client trusts by default.
pub struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Makes an authority.
    ///
    /// # Panics
    /// Without randomness.
    #[must_use]
    pub fn new() -> Self {
        let key = KeyPair::generate().expect("a key can be made");
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "an authority of a test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("the parameters are good");
        Self {
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// Its own certificate, to be trusted.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Issues a certificate for this machine's loopback, and its key; both PEM.
    ///
    /// # Panics
    /// Without randomness.
    #[must_use]
    pub fn issue(&self) -> (String, String) {
        let key = KeyPair::generate().expect("a key can be made");
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let params = CertificateParams::new(names).expect("the names are good");
        let certificate = params.signed_by(&key, &self.issuer).expect("the authority signs");
        (certificate.pem(), key.serialize_pem())
    }

    /// Writes its own certificate and a new pair into a folder: `ca.pem`, `cert.pem`, `key.pem`.
    ///
    /// # Panics
    /// When the folder cannot be written to.
    #[must_use]
    pub fn write(&self, folder: &Path) -> [PathBuf; 3] {
        let (certificate, key) = self.issue();
        [
            ("ca.pem", self.pem.as_str()),
            ("cert.pem", &certificate),
            ("key.pem", &key),
        ]
        .map(|(name, text)| {
            let path = folder.join(name);
            std::fs::write(&path, text).expect("the test's folder can be written to");
            path
        })
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}
