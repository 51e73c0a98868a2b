//! The clients: [`replay`] uploads recordings, [`simulate`] generates a drive.
//!
//! Deliberately not here: following growing files, and deleting sent files.

pub mod replay;
pub mod simulate;
