//! Reads a structure from parameters, of which each may be given several times.

use serde::de::value::{Error, SeqDeserializer, StringDeserializer};
use serde::de::{DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;
use std::num::IntErrorKind;

/// Parameters by name, in the order of their first mention.
pub(super) struct Given {
    rest: std::vec::IntoIter<(String, Vec<String>)>,
    /// The one whose name was read.
    next: Option<(String, Vec<String>)>,
}

impl Given {
    pub(super) fn new(given: Vec<(String, String)>) -> Self {
        let mut gathered: Vec<(String, Vec<String>)> = Vec::new();
        for (name, value) in given {
            match gathered.iter_mut().find(|(known, _)| *known == name) {
                Some((_, values)) => values.push(value),
                None => gathered.push((name, vec![value])),
            }
        }
        Self {
            rest: gathered.into_iter(),
            next: None,
        }
    }
}

impl<'de> Deserializer<'de> for Given {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> MapAccess<'de> for Given {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        self.next = self.rest.next();
        let name = self.next.as_ref().map(|(name, _)| name.clone().into_deserializer());
        name.map(|name: StringDeserializer<Error>| seed.deserialize(name))
            .transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let (name, values) = self
            .next
            .take()
            .ok_or_else(|| Error::custom("a value without a name"))?;
        seed.deserialize(Values(values))
            .map_err(|error| Error::custom(format!("{name}: {error}")))
    }
}

/// The values of one parameter: one, or those of a list.
struct Values(Vec<String>);

impl Values {
    fn one(mut self) -> Result<String, Error> {
        match (self.0.pop(), self.0.is_empty()) {
            (Some(value), true) => Ok(value),
            _ => Err(Error::custom("given twice; give it once")),
        }
    }
}

/// Parses the text of a number or of a truth value.
macro_rules! parsed {
    ($($method:ident $visit:ident $help:literal,)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            let value = self.one()?;
            visitor.$visit(value.parse().map_err(|_| Error::custom($help))?)
        }
    )*};
}

/// A number of this type. One below or above its range is the nearest in it: the reader of the parameter knows
/// its range, refuses that, and tells the range.
macro_rules! nearest {
    ($($method:ident $visit:ident $number:ty,)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            let value = self.one()?;
            visitor.$visit(match value.parse::<$number>() {
                Ok(number) => number,
                Err(error) if *error.kind() == IntErrorKind::PosOverflow => <$number>::MAX,
                Err(_) if is_negative(&value) => <$number>::MIN,
                Err(_) => return Err(Error::custom("write a whole number")),
            })
        }
    )*};
}

/// Whether it is a whole number with a minus.
fn is_negative(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

impl<'de> Deserializer<'de> for Values {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_string(self.one()?)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(SeqDeserializer::<_, Error>::new(self.0.into_iter()))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let value: StringDeserializer<Error> = self.one()?.into_deserializer();
        value.deserialize_enum(name, variants, visitor)
    }

    parsed! {
        deserialize_bool visit_bool "write true or false",
        deserialize_i32 visit_i32 "write a whole number",
        deserialize_i64 visit_i64 "write a whole number",
        deserialize_f64 visit_f64 "write a number",
    }

    nearest! {
        deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64,
    }

    forward_to_deserialize_any! {
        i8 i16 i128 u8 u128 f32 char str string bytes byte_buf unit unit_struct tuple tuple_struct map struct
        identifier ignored_any
    }
}
