//! Tests of the programs as real processes against real servers; see `e2e/`.
