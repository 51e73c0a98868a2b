//! Filters that only compare numbers, such as `height > 120.0 && width < 5`. Nearly all are of this kind, and they are
//! evaluated most often. The library takes some 0.25 µs for each comparison, this some 10 ns.
//!
//! Results are those of the library. Where it would fail, or a value is no finite double, there is no result here, and the
//! library is asked.

use crate::slot::{Root, Slot};
use crate::{Variable, Variables};
use cel::common::ast::{CallExpr, Expr, LiteralValue, operators};
use cel::parser::Expression;
use std::cmp::Ordering;

/// A condition over numbers.
#[derive(Debug)]
pub(crate) enum Condition {
    Compare(Comparison, Number, Number),
    And(Box<[Condition; 2]>),
    Or(Box<[Condition; 2]>),
    Not(Box<Condition>),
    Literal(bool),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Comparison {
    Less,
    LessEquals,
    Greater,
    GreaterEquals,
    Equals,
    NotEquals,
}

/// A double.
#[derive(Debug)]
pub(crate) enum Number {
    Literal(f64),
    /// The name or the key of a slot.
    Name(String),
    Key(String),
    Add(Box<[Number; 2]>),
    Subtract(Box<[Number; 2]>),
    Multiply(Box<[Number; 2]>),
    Negate(Box<Number>),
}

impl Condition {
    /// A lowered filter as such a condition, if it is one.
    pub(crate) fn of(expression: &Expression, slots: &[Slot]) -> Option<Self> {
        let call = match &expression.expr {
            Expr::Literal(LiteralValue::Boolean(value)) => return Some(Self::Literal(*value.inner())),
            Expr::Call(call) if call.target.is_none() => call,
            _ => return None,
        };
        let both = || {
            Some(Box::new([
                Self::of(call.args.first()?, slots)?,
                Self::of(call.args.get(1)?, slots)?,
            ]))
        };
        match (call.func_name.as_str(), call.args.len()) {
            (operators::LOGICAL_AND, 2) => Some(Self::And(both()?)),
            (operators::LOGICAL_OR, 2) => Some(Self::Or(both()?)),
            (operators::LOGICAL_NOT, 1) => Some(Self::Not(Box::new(Self::of(call.args.first()?, slots)?))),
            (_, 2) => Self::comparison(call, slots),
            _ => None,
        }
    }

    fn comparison(call: &CallExpr, slots: &[Slot]) -> Option<Self> {
        let (comparison, is_order) = match call.func_name.as_str() {
            operators::LESS => (Comparison::Less, true),
            operators::LESS_EQUALS => (Comparison::LessEquals, true),
            operators::GREATER => (Comparison::Greater, true),
            operators::GREATER_EQUALS => (Comparison::GreaterEquals, true),
            operators::EQUALS => (Comparison::Equals, false),
            operators::NOT_EQUALS => (Comparison::NotEquals, false),
            _ => return None,
        };
        let [left, right] = call.args.as_slice() else {
            return None;
        };
        // The library orders doubles among whole numbers, too.
        let number = |expression| {
            let whole = if is_order { whole(expression) } else { None };
            whole.or_else(|| Number::of(expression, slots))
        };
        // Two whole numbers are compared as such.
        if whole(left).is_some() && whole(right).is_some() {
            return None;
        }
        Some(Self::Compare(comparison, number(left)?, number(right)?))
    }

    /// The result; none where the library has to be asked.
    pub(crate) fn evaluate(&self, variables: &(impl Variables + ?Sized)) -> Option<bool> {
        match self {
            Self::Literal(value) => Some(*value),
            Self::Not(inner) => inner.evaluate(variables).map(|value| !value),
            // Of an error and a side that decides, the side counts.
            Self::And(both) => match (both[0].evaluate(variables), &both[1]) {
                (Some(false), _) => Some(false),
                (left, right) => match right.evaluate(variables) {
                    Some(false) => Some(false),
                    right => left.and(right),
                },
            },
            Self::Or(both) => match (both[0].evaluate(variables), &both[1]) {
                (Some(true), _) => Some(true),
                (left, right) => match right.evaluate(variables) {
                    Some(true) => Some(true),
                    right => left.and(right),
                },
            },
            Self::Compare(comparison, left, right) => {
                let order = left.evaluate(variables)?.partial_cmp(&right.evaluate(variables)?)?;
                Some(match comparison {
                    Comparison::Less => order == Ordering::Less,
                    Comparison::LessEquals => order != Ordering::Greater,
                    Comparison::Greater => order == Ordering::Greater,
                    Comparison::GreaterEquals => order != Ordering::Less,
                    Comparison::Equals => order == Ordering::Equal,
                    Comparison::NotEquals => order != Ordering::Equal,
                })
            }
        }
    }
}

impl Number {
    fn of(expression: &Expression, slots: &[Slot]) -> Option<Self> {
        match &expression.expr {
            Expr::Literal(LiteralValue::Double(value)) => Some(Self::Literal(*value.inner())),
            Expr::Ident(name) => {
                let (slot, _) = name.strip_prefix('@')?.split_once('*')?;
                let slot = slots.get(slot.parse::<usize>().ok()?)?;
                if slot.presence || !slot.path.is_empty() {
                    return None;
                }
                Some(match &slot.root {
                    Root::Name(name) => Self::Name(name.clone()),
                    Root::Key { key, .. } => Self::Key(key.clone()),
                })
            }
            Expr::Call(call) if call.target.is_none() => {
                let number = |at: usize| Self::of(call.args.get(at)?, slots);
                let both = || Some(Box::new([number(0)?, number(1)?]));
                match (call.func_name.as_str(), call.args.len()) {
                    (operators::ADD, 2) => Some(Self::Add(both()?)),
                    (operators::SUBSTRACT, 2) => Some(Self::Subtract(both()?)),
                    (operators::MULTIPLY, 2) => Some(Self::Multiply(both()?)),
                    (operators::NEGATE, 1) => Some(Self::Negate(Box::new(number(0)?))),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// The value, if it is finite.
    fn evaluate(&self, variables: &(impl Variables + ?Sized)) -> Option<f64> {
        let read = |variable| match variable {
            Some(Variable::Double(value)) => Some(value),
            _ => None,
        };
        let value = match self {
            Self::Literal(value) => *value,
            Self::Name(name) => read(variables.name(name))?,
            Self::Key(key) => read(variables.key(key))?,
            Self::Add(both) => both[0].evaluate(variables)? + both[1].evaluate(variables)?,
            Self::Subtract(both) => both[0].evaluate(variables)? - both[1].evaluate(variables)?,
            Self::Multiply(both) => both[0].evaluate(variables)? * both[1].evaluate(variables)?,
            Self::Negate(number) => -number.evaluate(variables)?,
        };
        value.is_finite().then_some(value)
    }
}

/// A whole number as a double, rounded as the library rounds it.
#[expect(clippy::cast_precision_loss, reason = "the library casts, too")]
fn whole(expression: &Expression) -> Option<Number> {
    match &expression.expr {
        Expr::Literal(LiteralValue::Int(value)) => Some(Number::Literal(*value.inner() as f64)),
        Expr::Literal(LiteralValue::UInt(value)) => Some(Number::Literal(*value.inner() as f64)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::{Filter, Value, Variable, Variables, Vocabulary};
    use proptest::prelude::*;

    /// Two names and a key, each absent now and then.
    struct Numbers([Option<f64>; 3]);

    impl Variables for Numbers {
        fn name(&self, name: &str) -> Option<Variable<'_>> {
            self.0[usize::from(name == "b")].map(Variable::Double)
        }

        fn key(&self, _: &str) -> Option<Variable<'_>> {
            self.0[2].map(Variable::Double)
        }
    }

    fn vocabulary() -> Vocabulary {
        Vocabulary::of(["a", "b"]).map("value")
    }

    fn number() -> impl Strategy<Value = String> {
        let leaf = proptest::sample::select(vec![
            "a",
            "b",
            "value[\"c-d\"]",
            "1.0",
            "0.0",
            "2.5",
            "1e308",
            "-1.0",
            "3",
            "2u",
            "9007199254740993",
        ]);
        leaf.prop_map(str::to_owned).prop_recursive(2, 6, 2, |inner| {
            prop_oneof![
                (
                    inner.clone(),
                    proptest::sample::select(vec!["+", "-", "*", "/"]),
                    inner.clone()
                )
                    .prop_map(|(left, operator, right)| format!("({left} {operator} {right})")),
                inner.prop_map(|inner| format!("-({inner})")),
            ]
        })
    }

    fn condition() -> impl Strategy<Value = String> {
        let comparison = proptest::sample::select(vec!["<", "<=", ">", ">=", "==", "!="]);
        let leaf = prop_oneof![
            8 => (number(), comparison, number()).prop_map(|(left, by, right)| format!("{left} {by} {right}")),
            1 => Just("true".to_owned()),
            1 => Just("a".to_owned()),
        ];
        leaf.prop_recursive(3, 12, 2, |inner| {
            prop_oneof![
                (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("({left}) && ({right})")),
                (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("({left}) || ({right})")),
                inner.prop_map(|inner| format!("!({inner})")),
            ]
        })
    }

    fn value() -> impl Strategy<Value = Option<f64>> {
        let values = vec![0.0, -0.0, 1.0, 2.5, -3.0, 3.0, 1e308, 9_007_199_254_740_992.0];
        proptest::option::weighted(0.8, proptest::sample::select(values))
    }

    proptest! {
        #[test]
        fn results_are_those_of_the_library(text in condition(), values in [value(), value(), value()]) {
            let Ok(filter) = Filter::compile(&text, &vocabulary()) else {
                return Ok(());
            };
            let variables = Numbers(values);
            let numeric = filter.numeric.as_ref().and_then(|condition| condition.evaluate(&variables));
            if let Some(result) = numeric {
                prop_assert_eq!(filter.ask(&variables), Ok(Value::Bool(result)), "{} {:?}", text, values);
            }
        }
    }

    #[test]
    fn comparisons_of_numbers_are_of_this_kind() {
        for (text, expected) in [
            ("a > 120 && value[\"c-d\"] < 5.0 || !(b == 1.0)", true),
            ("a * 2.0 - b > -1.5", true),
            ("true", true),
            ("a / 2.0 > 1.0", false),
            ("a == 1", false),
            ("1 < 2", false),
            ("a", false),
            ("a + 1 > 2", false),
            ("a > 1 ? true : false", false),
        ] {
            let filter = Filter::compile(text, &vocabulary()).unwrap();
            assert_eq!(filter.numeric.is_some(), expected, "{text}");
        }
    }
}
