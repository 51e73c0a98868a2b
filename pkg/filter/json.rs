//! JSON as the library's values: texts and keys are borrowed.

use crate::Failed;
use crate::slot::{Segment, Slot};
use cel::common::types::{CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString};
use cel::common::value::Val;
use serde_json::Value as Json;
use std::collections::HashMap;

/// As deep as `serde_json` reads.
const MAX_NESTING: usize = 128;

/// Goes along a slot's path.
///
/// # Errors
/// [`Failed::Absent`] where a field or element is missing, [`Failed::Unfit`] where a value has no fields.
pub(crate) fn walk<'a>(mut json: &'a Json, slot: &Slot) -> Result<&'a Json, Failed> {
    let end = slot.path.len() - usize::from(slot.presence);
    for (at, segment) in slot.path[..end].iter().enumerate() {
        let next = match (segment, json) {
            (Segment::Field(name), Json::Object(object)) => object.get(name),
            (Segment::Index(index), Json::Array(array)) => array.get(*index),
            (Segment::Index(_), Json::Object(_)) => None,
            _ => return Err(fieldless(slot, at)),
        };
        json = next.ok_or_else(|| Failed::Absent(slot.place(at + 1)))?;
    }
    Ok(json)
}

/// A field or index of a value that has none.
pub(crate) fn fieldless(slot: &Slot, at: usize) -> Failed {
    Failed::Unfit(format!("{} has no {}.", slot.place(at), slot.path[at]))
}

/// Converts a value, and says in how many steps.
///
/// # Errors
/// [`Failed::Costly`] if it is nested too deep.
pub(crate) fn convert<'a>(json: &'a Json, steps: &mut u64) -> Result<Box<dyn Val + 'a>, Failed> {
    nested(json, steps, MAX_NESTING)
}

/// The steps of reading a text.
pub(crate) fn text_steps(text: &str) -> u64 {
    text.len() as u64 / 64
}

fn nested<'a>(json: &'a Json, steps: &mut u64, room: usize) -> Result<Box<dyn Val + 'a>, Failed> {
    let room = room.checked_sub(1).ok_or(Failed::Costly)?;
    *steps += 1;
    Ok(match json {
        Json::Null => Box::new(CelNull),
        Json::Bool(value) => Box::new(CelBool::from(*value)),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Box::new(CelInt::from(whole)),
            None => Box::new(CelDouble::from(number.as_f64().ok_or(Failed::Costly)?)),
        },
        Json::String(text) => {
            *steps += text_steps(text);
            Box::new(CelString::from(text.as_str()))
        }
        Json::Array(array) => {
            let items: Result<Vec<_>, _> = array.iter().map(|item| nested(item, steps, room)).collect();
            Box::new(CelList::from(items?))
        }
        Json::Object(object) => {
            let mut map: HashMap<CelMapKey<'a>, Box<dyn Val + 'a>> = HashMap::with_capacity(object.len());
            for (key, value) in object {
                *steps += text_steps(key);
                map.insert(
                    CelMapKey::String(CelString::from(key.as_str())),
                    nested(value, steps, room)?,
                );
            }
            Box::new(CelMap::from(map))
        }
    })
}
