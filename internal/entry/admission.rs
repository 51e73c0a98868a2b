//! Who may write: by a key that is bound to a user. Reading is for everybody.

use access::{Keys, Rates, SingleKey, bearer};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use web::Problem;

/// With padding or without: shells cut it off now and then.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Who writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Author {
    /// Safe to log.
    pub(crate) key: Arc<str>,
    pub(crate) name: Arc<str>,
    /// The only device that the key may write of.
    pub(crate) device: Option<Arc<str>>,
}

impl Author {
    pub(crate) fn may_not_write_of(&self, device: Option<&str>) -> bool {
        matches!((&self.device, device), (Some(bound), Some(device)) if **bound != *device)
    }
}

/// Who may write. Cheap to clone.
#[derive(Clone)]
pub struct Admission(Arc<Inner>);

struct Inner {
    keys: Option<Keys>,
    /// A key of its own for one user.
    own: Option<(SingleKey, Arc<str>)>,
    /// Everybody may write under any name.
    demo: bool,
    rates: Option<Rates>,
}

impl Admission {
    /// Users whose keys these are; those of devices alone may not write here.
    #[must_use]
    pub fn of(keys: Option<Keys>) -> Self {
        Self(Arc::new(Inner {
            keys,
            own: None,
            demo: false,
            rates: None,
        }))
    }

    /// Lets one more user in, by a key of its own.
    #[must_use]
    pub fn with(self, key: SingleKey, user: &str) -> Self {
        self.altered(|inner| inner.own = Some((key, user.into())))
    }

    /// Lets everybody write under the name in `Bearer BASE64-OF-A-NAME`: a claim, not a proof.
    #[must_use]
    pub fn with_claims(self) -> Self {
        self.altered(|inner| inner.demo = true)
    }

    /// Takes at most so many writes a second with one key.
    #[must_use]
    pub fn limited(self, rate: Option<NonZeroU32>) -> Self {
        self.altered(|inner| inner.rates = rate.map(Rates::per_second))
    }

    /// While it is made, it has one owner.
    fn altered(mut self, alter: impl FnOnce(&mut Inner)) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            alter(inner);
        }
        self
    }

    /// Reads the keys again whenever their file changes, until `stop`.
    pub async fn watch(&self, stop: CancellationToken) {
        if let Some(keys) = &self.0.keys {
            keys.watch(stop).await;
        }
    }

    /// Who writes, by a request's head.
    pub(crate) fn author(&self, headers: &HeaderMap) -> Result<Author, Problem> {
        let author = self.known(headers)?;
        if let Some(rates) = &self.0.rates
            && let Err(wait) = rates.take(&author.key, NonZeroU32::MIN)
        {
            let text = "This key writes too fast; send it again after a while.";
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, text).retry_after(wait.unwrap_or(Duration::ZERO)));
        }
        Ok(author)
    }

    fn known(&self, headers: &HeaderMap) -> Result<Author, Problem> {
        let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let given = authorization.and_then(bearer).ok_or_else(unauthorized)?;
        if let Some((key, user)) = &self.0.own
            && key.fits(given)
        {
            return Ok(Author {
                key: "own".into(),
                name: user.clone(),
                device: None,
            });
        }
        if let Some(keys) = &self.0.keys {
            if let Some(user) = keys.user(given) {
                return Ok(Author {
                    key: user.key,
                    name: user.name,
                    device: user.device,
                });
            }
            if keys.find(given, None).is_some() {
                let text = "This key is a device's, and none of a user; make one with: odograph key new --user NAME";
                return Err(Problem::new(StatusCode::FORBIDDEN, text));
            }
        }
        if self.0.demo {
            let name = claimed(given).ok_or_else(|| {
                let text = "Send Authorization: Bearer, and the base64 of a name of 1 to 64 characters.";
                Problem::new(StatusCode::UNAUTHORIZED, text)
            })?;
            return Ok(Author {
                key: format!("demo:{name}").into(),
                name: name.into(),
                device: None,
            });
        }
        Err(unauthorized())
    }
}

impl std::fmt::Debug for Admission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Admission({:?})", self.0.keys)
    }
}

/// The name that a token claims.
fn claimed(token: &str) -> Option<String> {
    let name = String::from_utf8(BASE64.decode(token).ok()?).ok()?;
    // `echo` without -n adds a line's end.
    let name = name.trim_end_matches(['\r', '\n']);
    access::is_user(name).then(|| name.to_owned())
}

fn unauthorized() -> Problem {
    let text = "A user's key is needed, as Authorization: Bearer KEY. Make one with: odograph key new --user NAME";
    Problem::new(StatusCode::UNAUTHORIZED, text).header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn author(admission: &Admission, given: &str) -> Result<String, u16> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(given).unwrap());
        let author = admission.author(&headers);
        author
            .map(|author| author.name.to_string())
            .map_err(|problem| problem.status().as_u16())
    }

    #[test]
    fn a_claim_is_a_name() {
        let open = Admission::of(None).with_claims();
        for (token, expected) in [
            ("Bearer YW5uYQ==", Ok("anna")),
            ("Bearer YW5uYQ", Ok("anna")),
            ("Bearer YW5uYQo=", Ok("anna")),
            ("Bearer xb1pxb5law==", Ok("Žižek")),
            ("Bearer !", Err(401)),
            ("Bearer AAE=", Err(401)),
            ("Bearer ", Err(401)),
            ("Basic YW5uYQ==", Err(401)),
        ] {
            assert_eq!(author(&open, token).as_deref(), expected.as_ref().copied(), "{token}");
        }
        let closed = Admission::of(None);
        assert_eq!(author(&closed, "Bearer YW5uYQ=="), Err(401));
        let own = Admission::of(None).with(SingleKey::new(&"secret".into()), "anna");
        assert_eq!(
            (author(&own, "Bearer secret"), author(&own, "Bearer other")),
            (Ok("anna".into()), Err(401))
        );
    }

    #[test]
    fn a_key_writes_at_its_rate() {
        let limited = Admission::of(None).with_claims().limited(NonZeroU32::new(2));
        let tried: Vec<_> = (0..3).map(|_| author(&limited, "Bearer YW5uYQ==").err()).collect();
        assert_eq!(tried, [None, None, Some(429)]);
        assert!(author(&limited, "Bearer Ym9i").is_ok());
    }
}
