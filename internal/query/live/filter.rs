//! Which events a listener wants.

use super::event::Event;
use crate::words::{Device, Name};

/// Which events a listener wants; an empty list wants all.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    pub(super) devices: Vec<Device>,
    pub(super) sensors: Vec<Name>,
}

impl Filter {
    /// Whether an event is wanted. One that names no device or no sensor is not held back by it.
    pub(super) fn fits(&self, event: &Event) -> bool {
        let device = event.device.as_deref().is_none_or(|device| {
            self.devices.is_empty() || self.devices.iter().any(|wanted| wanted.as_str() == device)
        });
        let sensor = event.sensor.as_deref().is_none_or(|sensor| {
            self.sensors.is_empty() || self.sensors.iter().any(|wanted| wanted.as_str() == sensor)
        });
        device && sensor
    }
}
