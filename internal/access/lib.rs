//! Authenticates callers: keys, their devices, and how much each key may take within a time.
//!
//! ```no_run
//! # fn main() -> Result<(), access::Error> {
//! let keys = access::Keys::load(&["a-key-of-its-own".into()], None)?;
//! let caller = keys.authenticate(Some("Bearer a-key-of-its-own"), None);
//! assert_eq!(caller.map(|caller| caller.device.to_string()), Some("default".to_owned()));
//! # Ok(())
//! # }
//! ```
//!
//! Deliberately not here: status codes and sockets. A program that admits clients asks [`Keys`] and answers
//! in its own protocol.

mod credentials;
mod keys;
mod rates;
mod single;

pub use credentials::bearer;
pub use keys::{Caller, Error, Keys, Secret, User, generate, generate_reader, is_user};
pub use rates::{ByteQuota, Rates};
pub use single::SingleKey;
