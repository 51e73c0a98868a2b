//! How a notifier works, as flags.

use crate::delivery::Limits;
use access::Secret;
use std::time::Duration;
use webhook::{Allowed, Error, Keys};

/// How subscriptions are evaluated and sent, as flags.
#[derive(clap::Args, Clone, Debug)]
#[group(id = "subscriptions")]
pub struct Options {
    /// The key that manages subscriptions; without one, /api/subscriptions answers 403
    #[arg(long, env, hide_env_values = true, value_name = "KEY")]
    pub management_key: Option<Secret>,

    /// The key that the secrets of subscriptions are made from, 32 characters or more. To change it, give the new key
    /// first and the old one after a comma
    #[arg(long, env, hide_env_values = true, value_delimiter = ',', value_name = "KEY")]
    pub signing_key: Vec<Secret>,

    /// The secret that tokens of publishers are signed with (HS256); without one, /publish answers 403
    #[arg(long, env, hide_env_values = true, value_name = "SECRET")]
    pub jwt_secret: Option<Secret>,

    /// Refuse tokens of publishers that never expire
    #[arg(long, env, default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    pub require_exp: bool,

    /// Hosts, addresses and networks that webhooks may reach although they are not public, such as
    /// hooks.lan or 10.1.0.0/16; plain http, too
    #[arg(long, env, value_delimiter = ',', value_name = "HOST-or-CIDR")]
    pub allow_target: Vec<String>,

    /// How long events, attempts and published messages are kept
    #[arg(long, env, default_value = "30d", value_parser = service::duration, value_name = "DURATION")]
    pub event_retention: Duration,

    /// Most webhook requests at once
    #[arg(long, env, default_value_t = 1024, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(2..))]
    pub max_in_flight: u16,

    /// How far back the notifier judges again after a late reading; episodes that began earlier make no event
    #[arg(long, env, default_value = "7d", value_parser = service::duration, value_name = "DURATION")]
    pub lookback: Duration,
}

impl Options {
    /// The signing keys; none where none is given.
    ///
    /// # Errors
    /// For a key that is too short, and for more than two.
    pub fn keys(&self) -> Result<Option<Keys>, Error> {
        let mut keys = self.signing_key.iter().cloned();
        let Some(current) = keys.next() else {
            return Ok(None);
        };
        let previous = keys.next();
        if keys.next().is_some() {
            return Err(Error::Key("there are two signing keys at most"));
        }
        Keys::new(current, previous).map(Some)
    }

    /// The targets that the operator opens.
    ///
    /// # Errors
    /// For what is no host, address or network.
    pub fn allowed(&self) -> Result<Allowed, Error> {
        Allowed::parse(self.allow_target.iter().map(String::as_str))
    }

    /// The limits of the sender.
    pub fn limits(&self) -> Limits {
        Limits {
            max_in_flight: usize::from(self.max_in_flight),
            ..Limits::default()
        }
    }
}
