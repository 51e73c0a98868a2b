//! TLS for clients: a certificate and its key, from files that may be renewed while in use.

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::hash::{BuildHasher, RandomState};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// Bytes read of a file, at the most; certificates and keys are far smaller.
const MAX_FILE: u64 = 1 << 20;

/// A certificate to show to clients. Cheap to clone; all clones are renewed together.
#[derive(Clone, Debug)]
pub struct Certificate {
    files: Arc<Files>,
    config: Arc<ServerConfig>,
}

#[derive(Debug)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
    hasher: RandomState,
    /// The hash of both files when they were last loaded, and the pair that they held.
    current: RwLock<(u64, Arc<CertifiedKey>)>,
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("{0} cannot be read")]
    Read(PathBuf, #[source] std::io::Error),
    /// A file holds no certificate, or no key.
    #[error("{0} holds no {1} in PEM form")]
    Pem(PathBuf, &'static str),
    /// The two do not belong together, or are of an unsupported kind.
    #[error("the certificate {certificate} and the key {key} cannot be used together: {reason}")]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl Certificate {
    /// Loads a certificate from two PEM files: the chain, the server's own first, and its key.
    ///
    /// # Errors
    /// Where they cannot be read or do not belong together.
    pub fn load(certificate: PathBuf, key: PathBuf) -> Result<Self, CertificateError> {
        let hasher = RandomState::new();
        let (certificates, keys) = (read(&certificate)?, read(&key)?);
        let hash = hasher.hash_one((&certificates, &keys));
        let pair = pair(&certificate, &certificates, &key, &keys)?;
        let files = Arc::new(Files {
            certificate,
            key,
            hasher,
            current: RwLock::new((hash, pair)),
        });
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| files.unusable(&error))?;
        let config = builder.with_no_client_auth().with_cert_resolver(files.clone());
        let config = Arc::new(config);
        Ok(Self { files, config })
    }

    /// Loads renewed files, until `stop`. Unusable files change nothing, such as a new certificate whose
    /// key is not written yet.
    pub async fn watch(self, stop: CancellationToken) {
        let files = self.files;
        let check = move || {
            if files.refresh()? {
                tracing::info!(file = %files.certificate.display(), "loaded the renewed certificate");
            }
            Ok(())
        };
        repeat::refresh(stop, check, |error: &CertificateError| {
            tracing::error!(%error, "cannot use the renewed certificate; keeping the previous one");
        })
        .await;
    }

    /// Shakes hands, and offers this protocol.
    pub(crate) fn acceptor(&self, protocol: &[u8]) -> TlsAcceptor {
        let mut config = ServerConfig::clone(&self.config);
        config.alpn_protocols = vec![protocol.to_vec()];
        Arc::new(config).into()
    }
}

impl Files {
    fn refresh(&self) -> Result<bool, CertificateError> {
        let (certificates, keys) = (read(&self.certificate)?, read(&self.key)?);
        let hash = self.hasher.hash_one((&certificates, &keys));
        if self.current.read().unwrap_or_else(PoisonError::into_inner).0 == hash {
            return Ok(false);
        }
        let pair = pair(&self.certificate, &certificates, &self.key, &keys)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = (hash, pair);
        Ok(true)
    }

    fn unusable(&self, reason: &dyn std::fmt::Display) -> CertificateError {
        unusable(&self.certificate, &self.key, reason)
    }
}

impl ResolvesServerCert for Files {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().unwrap_or_else(PoisonError::into_inner).1.clone())
    }
}

fn read(path: &Path) -> Result<Vec<u8>, CertificateError> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_FILE).read_to_end(&mut bytes))
        .map_err(|error| CertificateError::Read(path.to_owned(), error))?;
    Ok(bytes)
}

/// Parses the files. Errors do not repeat the parsers' texts, which could quote the key.
fn pair(
    certificate: &Path,
    certificates: &[u8],
    key: &Path,
    keys: &[u8],
) -> Result<Arc<CertifiedKey>, CertificateError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(certificates)
        .collect::<Result<_, _>>()
        .unwrap_or_default();
    if chain.is_empty() {
        return Err(CertificateError::Pem(certificate.to_owned(), "certificate"));
    }
    let private =
        PrivateKeyDer::from_pem_slice(keys).map_err(|_| CertificateError::Pem(key.to_owned(), "private key"))?;
    CertifiedKey::from_der(chain, private, &rustls::crypto::ring::default_provider())
        .map(Arc::new)
        .map_err(|error| unusable(certificate, key, &error))
}

fn unusable(certificate: &Path, key: &Path, reason: &dyn std::fmt::Display) -> CertificateError {
    CertificateError::Pair {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        reason: reason.to_string(),
    }
}
