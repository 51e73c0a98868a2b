//! What to replay, where to, and within which limits.

use std::time::Duration;

use secrecy::SecretString;

use super::source::Input;

/// Inputs, destination and limits of a replay.
#[derive(Clone, Debug)]
pub struct Options {
    /// The ingestor's address; `/ingest` is appended.
    pub url: String,
    /// The key to authenticate with.
    pub api_key: Option<SecretString>,
    /// The device that the key is for, and that readings without a device are of.
    pub device: Option<String>,
    /// Sent in this order.
    pub inputs: Vec<Input>,
    /// Most bytes of a request. A longer line is not sent.
    pub chunk_bytes: usize,
    /// Longest time of a request, from connecting to the last byte of the answer.
    pub request_timeout: Duration,
    /// Longest time of retries of one chunk; none: without end.
    pub max_retry_time: Option<Duration>,
    /// The API's address, for the receipt of each upload.
    pub api_url: Option<String>,
    /// How long to ask while no upload is proved.
    pub prove_timeout: Duration,
}
