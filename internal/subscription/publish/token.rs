//! Tokens of publishers: JSON Web Tokens, signed with HS256 and nothing else.

use super::members::Members;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reading::pattern;
use ring::hmac;
use secrecy::{ExposeSecret, SecretString};

/// How far the clock of a publisher may be off, in seconds: `exp` and `nbf` are judged with this leeway.
pub const LEEWAY: f64 = 60.0;

/// Longest token, in bytes.
const LONGEST: usize = 8 * 1024;

/// Longest name of an author, in bytes.
const LONGEST_AUTHOR: usize = 256;

/// Verifies tokens.
#[derive(Debug)]
pub struct Verifier {
    key: hmac::Key,
    require_exp: bool,
}

/// What a token says about its holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// The claim `author`, else `sub`.
    pub author: Option<String>,
    /// The claim `topics`: `*` stands for any characters. Without it, every topic is allowed.
    topics: Option<Vec<String>>,
}

/// Why a token is refused. For the log: a client is not told which it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No header, several, or another scheme.
    #[error("there is no bearer token")]
    Missing,
    /// Not three parts of base64url without padding, or too long.
    #[error("the token is not three parts of base64url without padding")]
    Form,
    /// The first part is no JSON object, or it has a type that is not JWT.
    #[error("the token's header is not that of a JWT")]
    Header,
    /// `alg` is not HS256.
    #[error("the token's alg is not HS256")]
    Algorithm,
    /// The header demands extensions.
    #[error("the token's header has crit")]
    Critical,
    /// Signed with another secret, or altered.
    #[error("the token's signature is wrong")]
    Signature,
    /// A claim has another type than it should, or stands there twice.
    #[error("the token's claims cannot be used")]
    Claims,
    /// `exp` is required.
    #[error("the token has no exp")]
    Endless,
    /// Past `exp`.
    #[error("the token has expired")]
    Expired,
    /// Before `nbf`.
    #[error("the token is not valid yet")]
    Early,
}

impl Verifier {
    /// Verifies tokens that were signed with this secret. `require_exp` refuses tokens that never expire.
    #[must_use]
    pub fn new(secret: &SecretString, require_exp: bool) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes()),
            require_exp,
        }
    }

    /// Returns the claims of the token in an `Authorization`, at this moment in seconds since 1970.
    ///
    /// # Errors
    /// [`Refused`], with its reason.
    pub fn verify(&self, authorization: &str, now: f64) -> Result<Claims, Refused> {
        let token = access::bearer(authorization).ok_or(Refused::Missing)?;
        if token.len() > LONGEST {
            return Err(Refused::Form);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Refused::Form)?;
        let (header, claims) = signed.split_once('.').ok_or(Refused::Form)?;
        // An engine without padding takes canonical text only: no other text has the same bytes.
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Refused::Form);
        let (header, claims, signature) = (decode(header)?, decode(claims)?, decode(signature)?);
        judge_header(&header)?;
        hmac::verify(&self.key, signed.as_bytes(), &signature).map_err(|_| Refused::Signature)?;
        self.judge_claims(&claims, now)
    }

    fn judge_claims(&self, claims: &[u8], now: f64) -> Result<Claims, Refused> {
        let claims = Members::parse(claims).map_err(|_| Refused::Claims)?;
        let date = |name| claims.get::<f64>(name).map_err(|_| Refused::Claims);
        match date("exp")? {
            Some(end) if now >= end + LEEWAY => return Err(Refused::Expired),
            None if self.require_exp => return Err(Refused::Endless),
            _ => {}
        }
        if date("nbf")?.is_some_and(|start| now < start - LEEWAY) {
            return Err(Refused::Early);
        }
        let topics = match claims.0.get("topics") {
            // Null is no list: it must not open every topic.
            Some(topics) => Some(serde_json::from_str(topics.json).map_err(|_| Refused::Claims)?),
            None => None,
        };
        let text = |name| claims.get::<String>(name).map_err(|_| Refused::Claims);
        let named = |name: &String| !name.is_empty();
        let author = text("author")?.filter(named).or(text("sub")?.filter(named));
        if author
            .as_ref()
            .is_some_and(|name| name.len() > LONGEST_AUTHOR || name.contains('\0'))
        {
            return Err(Refused::Claims);
        }
        Ok(Claims { author, topics })
    }
}

impl Claims {
    /// Whether the holder may publish to this topic.
    #[must_use]
    pub fn allow(&self, topic: &str) -> bool {
        let topics = self.topics.as_ref();
        topics.is_none_or(|globs| globs.iter().any(|glob| pattern::fits(glob, topic)))
    }
}

/// Only what [`Verifier`] does itself is taken: names and values in the case of RFC 7515, no extensions.
fn judge_header(header: &[u8]) -> Result<(), Refused> {
    let header = Members::parse(header).map_err(|_| Refused::Header)?;
    if header.0.contains_key("crit") {
        return Err(Refused::Critical);
    }
    if header.get_exact::<String>("alg").ok().flatten().as_deref() != Some("HS256") {
        return Err(Refused::Algorithm);
    }
    // RFC 7519 makes it optional.
    if !header.0.contains_key("typ") {
        return Ok(());
    }
    match header.get_exact::<String>("typ") {
        Ok(Some(kind)) if kind.eq_ignore_ascii_case("JWT") => Ok(()),
        _ => Err(Refused::Header),
    }
}

#[cfg(test)]
mod tests;
