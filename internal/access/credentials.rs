//! Parses the credentials in a request's `Authorization` header.

use crate::{Caller, Keys};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::sync::Arc;

impl Keys {
    /// Returns the caller of an `Authorization`: `Basic KEY:`, `Basic DEVICE:KEY` or `Bearer KEY`. `None` if
    /// no key in force fits. `device` is the device named elsewhere in the request, as in its address. If
    /// both name one, they must be equal.
    pub fn authenticate(&self, authorization: Option<&str>, device: Option<&str>) -> Option<Caller> {
        let authorization = authorization?;
        if let Some(key) = bearer(authorization) {
            return self.find(key, device);
        }
        let credentials = of_scheme("basic", authorization)?;
        let decoded = String::from_utf8(STANDARD.decode(credentials).ok()?).ok()?;
        let (user, password) = decoded.split_once(':')?;
        match password {
            "" => self.find(user, device),
            key if device.is_none_or(|device| device == user) => self.find(key, Some(user)),
            _ => None,
        }
    }

    /// Returns the id of the key that reads, of an `Authorization`: `Bearer KEY`, `Basic KEY:` or `Basic ANY:KEY`.
    /// Browsers ask for a name beside the key.
    pub fn authenticate_reader(&self, authorization: Option<&str>) -> Option<Arc<str>> {
        let authorization = authorization?;
        if let Some(key) = bearer(authorization) {
            return self.reader(key);
        }
        let credentials = of_scheme("basic", authorization)?;
        let decoded = String::from_utf8(STANDARD.decode(credentials).ok()?).ok()?;
        let (user, password) = decoded.split_once(':')?;
        self.reader(if password.is_empty() { user } else { password })
    }
}

/// The key or token of an `Authorization: Bearer`, without the blanks around it. None of another scheme.
#[must_use]
pub fn bearer(authorization: &str) -> Option<&str> {
    of_scheme("bearer", authorization)
}

/// What follows the scheme, if it is this one, in any case.
fn of_scheme<'a>(scheme: &str, authorization: &'a str) -> Option<&'a str> {
    let (given, credentials) = authorization.split_once(' ')?;
    given
        .eq_ignore_ascii_case(scheme)
        .then_some(credentials.trim_matches(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials() {
        let keys = Keys::load(&["secret".into()], None).unwrap();
        let device = |credentials, named| {
            let caller = keys.authenticate(Some(credentials), named);
            caller.map(|caller| caller.device.to_string())
        };
        assert_eq!(device("Basic c2VjcmV0Og==", None).as_deref(), Some("default")); // secret:
        assert_eq!(device("basic bGFkYTpzZWNyZXQ=", None).as_deref(), Some("lada")); // lada:secret
        assert_eq!(device("basic bGFkYTpzZWNyZXQ=", Some("lada")).as_deref(), Some("lada"));
        assert_eq!(device("basic bGFkYTpzZWNyZXQ=", Some("niva")), None);
        assert_eq!(device("Bearer secret", None).as_deref(), Some("default"));
        assert_eq!(device("Bearer secret", Some("niva")).as_deref(), Some("niva"));
        for wrong in [
            "Basic c2VjcmV0",
            "Basic bGFkYTpzZWNyZXQx",
            "Basic !",
            "Bearer",
            "Bearer x",
            "Digest x",
        ] {
            assert_eq!(device(wrong, None), None, "{wrong}");
        }
        assert_eq!(keys.authenticate(None, None), None);
    }

    #[test]
    fn credentials_of_readers() {
        let keys = Keys::load_readers(&["secret".into()], None).unwrap();
        for right in [
            "Basic c2VjcmV0Og==",     // secret:
            "basic bGFkYTpzZWNyZXQ=", // lada:secret
            "Bearer secret",
        ] {
            assert!(keys.authenticate_reader(Some(right)).is_some(), "{right}");
            assert_eq!(keys.authenticate(Some(right), None), None, "{right}");
        }
        for wrong in ["Basic c2VjcmV0", "Basic bGFkYTpzZWNyZXQx", "Bearer x", "Digest secret"] {
            assert_eq!(keys.authenticate_reader(Some(wrong)), None, "{wrong}");
        }
        assert_eq!(keys.authenticate_reader(None), None);
    }
}
