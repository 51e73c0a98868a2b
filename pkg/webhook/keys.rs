//! Secrets and signatures of [Standard Webhooks](https://www.standardwebhooks.com), symmetric: `v1`.

use crate::Error;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use ring::{hkdf, hmac};
use secrecy::{ExposeSecret, SecretSlice, SecretString};

/// Bytes of a secret; Standard Webhooks wants 24 to 64.
const SECRET_BYTES: usize = 32;
/// Fewest bytes of a signing key.
const SHORTEST_KEY: usize = 32;
/// Separates these secrets from all others that are ever made from the same key. Never changes: each
/// receiver knows its secret.
const SALT: &[u8] = b"odograph webhook secret v1";

/// The signing keys of a service: secrets are made from them, and none is stored.
#[derive(Debug)]
pub struct Keys {
    /// The current one first.
    keys: Vec<SecretString>,
}

impl Keys {
    /// Takes the current signing key and, while keys are exchanged, the previous one.
    ///
    /// # Errors
    /// [`Error::Key`] for a key shorter than 32 bytes.
    pub fn new(current: SecretString, previous: Option<SecretString>) -> Result<Self, Error> {
        let mut keys = vec![current];
        keys.extend(previous);
        if keys.iter().any(|key| key.expose_secret().len() < SHORTEST_KEY) {
            return Err(Error::Key("a signing key has at least 32 bytes"));
        }
        Ok(Self { keys })
    }

    /// Makes the secrets of a subscription's generation, one for each signing key, the current one first.
    /// The first is what to show to the subscriber; sign with all of them.
    ///
    /// The same arguments give the same secrets, always: HKDF-SHA-256 of the key, with the subscription's
    /// id and the generation (big-endian) as its info.
    #[must_use]
    pub fn secrets(&self, subscription: [u8; 16], generation: u32) -> Vec<Secret> {
        let generation = generation.to_be_bytes();
        let secrets = self.keys.iter().map(|key| {
            let mut secret = vec![0; SECRET_BYTES];
            let made = hkdf::Salt::new(hkdf::HKDF_SHA256, SALT)
                .extract(key.expose_secret().as_bytes())
                .expand(&[&subscription, &generation], Length)
                .and_then(|okm| okm.fill(&mut secret));
            debug_assert!(made.is_ok(), "HKDF gives 32 bytes");
            // An error cannot happen at this length. Were it to, a key of zeros must not be signed with.
            made.ok().map(|()| Secret(secret.into()))
        });
        secrets.flatten().collect()
    }
}

struct Length;

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        SECRET_BYTES
    }
}

/// What a subscriber verifies signatures with.
#[derive(Clone, Debug)]
pub struct Secret(SecretSlice<u8>);

impl Secret {
    /// Its text, `whsec_` and base64, as the libraries of Standard Webhooks read it.
    #[must_use]
    pub fn text(&self) -> SecretString {
        format!("whsec_{}", STANDARD.encode(self.0.expose_secret())).into()
    }

    /// Reads a secret's text. None for what is no such text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text.trim().strip_prefix("whsec_")?).ok()?;
        (!bytes.is_empty()).then(|| Self(bytes.into()))
    }

    /// Whether one of the signatures in a value of `webhook-signature` is of this secret, over this id, timestamp and
    /// body. The caller judges the timestamp.
    #[must_use]
    pub fn verifies(&self, signature: &str, id: &str, timestamp: &str, body: &[u8]) -> bool {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.expose_secret());
        let message = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat();
        let mut given = signature
            .split(' ')
            .filter_map(|one| STANDARD.decode(one.strip_prefix("v1,")?).ok());
        given.any(|given| hmac::verify(&key, &message, &given).is_ok())
    }

    fn sign(&self, parts: &[&[u8]]) -> String {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, self.0.expose_secret()));
        for part in parts {
            context.update(part);
        }
        format!("v1,{}", STANDARD.encode(context.sign()))
    }
}

/// The headers that prove to a receiver who sent a body, and when: `webhook-id`, `webhook-timestamp`,
/// `webhook-signature`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    pub(crate) id: HeaderValue,
    pub(crate) timestamp: HeaderValue,
    pub(crate) value: HeaderValue,
}

impl Signature {
    /// Signs a body with one secret, or with several: of both generations while one is rotated, of both
    /// keys while they are exchanged. A receiver accepts whichever it knows.
    ///
    /// The timestamp is the try's, in seconds since 1970: receivers refuse one that is more than five
    /// minutes off. The id stays the same in all tries, 1 to 64 of `A-Z a-z 0-9 _ -`: a full stop in it
    /// would let one signature serve for another message.
    ///
    /// # Errors
    /// [`Error::Request`] for another id, or without a secret.
    pub fn new<'a>(
        secrets: impl IntoIterator<Item = &'a Secret>,
        id: &str,
        timestamp: u64,
        body: &[u8],
    ) -> Result<Self, Error> {
        let plain = |c: u8| c.is_ascii_alphanumeric() || c == b'_' || c == b'-';
        if id.is_empty() || id.len() > 64 || !id.bytes().all(plain) {
            return Err(Error::Request("an id is 1 to 64 letters, digits, _ and -"));
        }
        let id_value = HeaderValue::from_str(id).map_err(|_| Error::Request("an id is plain text"))?;
        let timestamp = timestamp.to_string();
        let parts = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body];
        let signatures: Vec<String> = secrets.into_iter().map(|secret| secret.sign(&parts)).collect();
        if signatures.is_empty() {
            return Err(Error::Request("a signature needs a secret"));
        }
        let bad = |_| Error::Request("a signature is plain text");
        Ok(Self {
            id: id_value,
            timestamp: HeaderValue::from_str(&timestamp).map_err(bad)?,
            value: HeaderValue::from_str(&signatures.join(" ")).map_err(bad)?,
        })
    }

    /// The value of `webhook-signature`: `v1,BASE64`, several separated by blanks.
    #[must_use]
    pub fn value(&self) -> &HeaderValue {
        &self.value
    }
}

#[cfg(test)]
mod tests;
