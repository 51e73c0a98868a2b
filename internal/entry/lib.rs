//! The journal: messages with hashtags beside the readings, from people and programs on the way.
//!
//! An entry belongs to the moment that it tells of, whenever it arrives. Its id begins with that moment. So one key
//! orders entries, gives their pages, bounds spans and counts them.
//!
//! ```no_run
//! # fn run(pool: postgres::Pool, service: service::Service) -> Result<(), Box<dyn std::error::Error>> {
//! use entry::{Admission, Journal, Options};
//!
//! let keys = access::Keys::load(&[], Some("keys".as_ref()))?;
//! let journal = Journal::new(pool, Options::default(), Admission::of(Some(keys)), &service);
//! let routes = web::finish(journal.routes());
//! # Ok(())
//! # }
//! ```
//!
//! `http` has the paths of the journal's own program, `store` its transactions. [`Reader`] reads entries; the
//! API has one over its own connections. A [`Record`] is an entry in a dump, which [`restore`] brings back.
//!
//! Deliberately not here: readings, and finding a place for an entry that names none.

mod admission;
mod draft;
mod entry;
mod filter;
mod hashtag;
mod http;
mod id;
mod metrics;
mod moment;
mod options;
mod page;
mod question;
mod read;
mod record;
mod search;
mod store;
#[cfg(test)]
mod tests;
mod trend;

pub use admission::Admission;
pub use entry::Entry;
pub use filter::Filter;
pub use hashtag::{Hashtag, Malformed};
pub use http::Journal;
pub use id::{Id, NoId};
pub use moment::{Moment, plain_time};
pub use options::Options;
pub use page::Page;
pub use read::{Found, Reader, Used};
pub use record::{Coordinates, Record};
pub use store::{may_restore, restore};
pub use trend::{Aggregation, Buckets, Fill, MOST_BUCKETS, NoBuckets};
