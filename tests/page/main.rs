//! The page in a real browser: Debian's Chromium, which `scripts/install-chromium.sh` installs, against `odograph up`.
//!
//! Each test has a browser and an Odograph of its own, and runs alone: `.config/nextest.toml` says so.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod clocks;
mod drives;
mod first;
mod hostile;
mod keyboard;
mod links;
mod live;
mod looks;
mod map;
mod numbers;
mod odograph;
mod settings;
mod sources;
mod tasks;

use testutil::browser;
