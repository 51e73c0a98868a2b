//! The crate over real sockets, and its judgement of hostile URLs.

mod certificate;
mod delivery;
mod encryption;
mod endpoint;
mod hostile;
mod rebinding;
mod reuse;
