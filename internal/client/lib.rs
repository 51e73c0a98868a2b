//! The clients: [`replay`] uploads recordings, [`simulate`] makes up a drive.
//!
//! Deliberately not here: following growing files, and deleting what was sent.

pub mod replay;
pub mod simulate;
