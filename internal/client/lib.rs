//! The clients: [`replay`] uploads recordings, [`simulate`] generates a drive.
//!
//! ```
//! use client::simulate::{Drive, Options, Road, write_line};
//!
//! let (start, rate) = ("2026-06-01T08:00:00Z".parse()?, 2.try_into()?);
//! let mut lines = Vec::new();
//! let options = Options { seed: 1, device: None, start, rate, road: Road::Loop, fuel: None };
//! for reading in Drive::new(&options).take(6) {
//!     write_line(&mut lines, &reading);
//! }
//! assert_eq!(lines.split(|byte| *byte == b'\n').count(), 7);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! ```no_run
//! # async fn run(options: client::replay::Options) {
//! use client::replay::{self, Progress};
//!
//! let (summary, ended) = replay::run(&options, Progress::none(), std::future::pending()).await;
//! println!("{summary}");
//! assert!(ended.is_ok() && summary.complete());
//! # }
//! ```
//!
//! Deliberately not here: following growing files, and deleting sent files.

pub mod replay;
pub mod simulate;
