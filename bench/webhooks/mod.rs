//! Subscriptions: what they cost the bulk load, how fast events are judged and sent, and how soon.

mod delay;
mod evaluate;
mod isolation;
mod memory;
mod rate;
mod setting;
mod sink;
mod watched;

pub(crate) use delay::measure as delay;
pub(crate) use evaluate::measure as evaluate;
pub(crate) use isolation::measure as isolation;
pub(crate) use memory::measure as memory;
pub(crate) use rate::measure as rate;
pub(crate) use watched::measure as watched;
