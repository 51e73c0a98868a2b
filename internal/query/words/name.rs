//! Names in requests.

use reading::{is_device, is_name};
use serde::Deserialize;

/// The name of a sensor, as a parameter of a request. A text that cannot be a name never reaches the
/// database.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Name(String);

impl Name {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Name {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        if is_name(&name) {
            Ok(Self(name))
        } else {
            Err("not a name: write 1 to 64 of A-Z a-z 0-9 _ . : - with a letter first")
        }
    }
}

/// The name of a device, likewise. A digit may be first.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Device(String);

impl Device {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Device {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        if is_device(&name) {
            Ok(Self(name))
        } else {
            Err("not a name: write 1 to 64 of A-Z a-z 0-9 _ . : - with a letter or a digit first")
        }
    }
}
