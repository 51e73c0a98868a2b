//! Who may put, get, delete and clean.

use access::{Error, Keys, Secret};
use http::HeaderMap;
use std::path::Path;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

/// What a key in a file is bound to: the key of a device must not delete messages.
const MESSAGES: &str = "messages";

/// Who may call. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Admission(Option<Arc<Given>>);

#[derive(Debug)]
struct Given {
    flags: Option<Keys>,
    file: Option<Keys>,
}

impl Admission {
    /// Everybody who reaches the port.
    #[must_use]
    pub fn open() -> Self {
        Self(None)
    }

    /// Callers with one of these keys, or with one of the file that is bound to `messages`. Without any key, everybody.
    ///
    /// # Errors
    /// Those of the file.
    pub fn of(flags: &[Secret], file: Option<&Path>) -> Result<Self, Error> {
        let flags = match Keys::load(flags, None) {
            Ok(keys) => Some(keys),
            Err(Error::None) => None,
            Err(error) => return Err(error),
        };
        let file = file.map(|file| Keys::load(&[], Some(file))).transpose()?;
        let is_open = flags.is_none() && file.is_none();
        Ok(Self((!is_open).then(|| Arc::new(Given { flags, file }))))
    }

    /// Whether no key is asked for.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.is_none()
    }

    /// Reads the file again whenever it changes, until `stop`.
    pub async fn watch(&self, stop: CancellationToken) {
        if let Some(file) = self.0.as_ref().and_then(|given| given.file.as_ref()) {
            file.watch(stop).await;
        }
    }

    /// Lets a caller in.
    pub(crate) fn admit(&self, headers: &HeaderMap) -> Result<(), Status> {
        let Some(given) = &self.0 else {
            return Ok(());
        };
        let authorization = headers.get("authorization").and_then(|value| value.to_str().ok());
        let known = |keys: &Option<Keys>, device| keys.as_ref()?.authenticate(authorization, device);
        if known(&given.flags, None).is_some() {
            return Ok(());
        }
        // Without the name, also a key that is bound to another device is found, and told why it is refused.
        match known(&given.file, None) {
            Some(caller) if caller.bound && *caller.device == *MESSAGES => Ok(()),
            Some(_) => Err(Status::new(
                Code::PermissionDenied,
                "This key is not bound to messages; make one with: odograph key new --device messages",
            )),
            None => Err(Status::new(
                Code::Unauthenticated,
                "Send a key that this server knows, as metadata: authorization: Bearer KEY",
            )),
        }
    }
}
