//! Checks a syntax tree against the vocabulary, and rewrites what the library would do slowly or without bounds:
//!
//! | in the filter | in the tree | why |
//! |---|---|---|
//! | `a.b["c"]`, `value["k"]` | `@0*1`, a slot that is read once | converted once, without its siblings |
//! | `has(a.b)` | `@1*1`, a slot | no conversion |
//! | `f(x)` of the caller | `@f0[[x]]` | functions that borrow |
//! | `a.b.exists(…)` | `@2*10` | the body, of 9 nodes, may read each element 9 times |
//! | `a + b` | `@0*2 + @3*2` | a sum copies lists and texts |
//! | the condition of a macro's loop | `@+9 && …` | each round counts the 9 nodes of its body |
//!
//! No filter can write these names: `@` is no character of CEL.

use crate::slot::{Root, Segment, Slot};
use crate::{Vocabulary, count};
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, ListExpr, LiteralValue, SelectExpr, operators};
use cel::parser::Expression;
use std::mem;

/// Functions of CEL, and on what: `f(x)` with so many arguments, or `x.f()` with so many.
const FUNCTIONS: [(&str, bool, &[usize]); 23] = [
    ("size", false, &[1]),
    ("int", false, &[1]),
    ("uint", false, &[1]),
    ("double", false, &[1]),
    ("string", false, &[1]),
    ("bool", false, &[1]),
    ("bytes", false, &[1]),
    ("timestamp", false, &[1]),
    ("duration", false, &[1]),
    ("size", true, &[0]),
    ("contains", true, &[1]),
    ("startsWith", true, &[1]),
    ("endsWith", true, &[1]),
    ("getFullYear", true, &[0, 1]),
    ("getMonth", true, &[0, 1]),
    ("getDate", true, &[0, 1]),
    ("getDayOfMonth", true, &[0, 1]),
    ("getDayOfWeek", true, &[0, 1]),
    ("getDayOfYear", true, &[0, 1]),
    ("getHours", true, &[0, 1]),
    ("getMinutes", true, &[0, 1]),
    ("getSeconds", true, &[0, 1]),
    ("getMilliseconds", true, &[0, 1]),
];

/// What an evaluation needs.
pub(crate) struct Lowered {
    pub(crate) expression: Expression,
    pub(crate) slots: Vec<Slot>,
    pub(crate) functions: Vec<String>,
    /// Functions of the caller that are called with one literal text, and that text.
    pub(crate) texts: Vec<(String, String)>,
}

/// What is wrong with a node.
pub(crate) struct Problem {
    pub(crate) id: u64,
    pub(crate) message: String,
    pub(crate) hint: String,
}

/// # Errors
/// Says what the vocabulary or the limits refuse.
pub(crate) fn lower(mut expression: Expression, vocabulary: &Vocabulary) -> Result<Lowered, Problem> {
    let mut lowering = Lowering {
        vocabulary,
        bound: None,
        reads: 1,
        slots: Vec::new(),
        functions: Vec::new(),
        texts: Vec::new(),
    };
    lowering.node(&mut expression)?;
    Ok(Lowered {
        expression,
        slots: lowering.slots,
        functions: lowering.functions,
        texts: lowering.texts,
    })
}

struct Lowering<'a> {
    vocabulary: &'a Vocabulary,
    /// The name that the macro around this node binds.
    bound: Option<String>,
    /// How often a slot's value is read: once, once more for each sum around it, and as often as a macro's body reads.
    reads: usize,
    slots: Vec<Slot>,
    functions: Vec<String>,
    texts: Vec<(String, String)>,
}

impl Lowering<'_> {
    fn node(&mut self, node: &mut Expression) -> Result<(), Problem> {
        if let Some(slot) = self.slot(node)? {
            node.expr = Expr::Ident(slot);
            return Ok(());
        }
        let id = node.id;
        match &mut node.expr {
            Expr::Literal(_) | Expr::Ident(_) => Ok(()),
            Expr::Select(select) => self.node(&mut select.operand),
            Expr::List(list) => list.elements.iter_mut().try_for_each(|item| self.node(item)),
            Expr::Map(map) => map.entries.iter_mut().try_for_each(|entry| match &mut entry.expr {
                EntryExpr::MapEntry(entry) => self.node(&mut entry.key).and_then(|()| self.node(&mut entry.value)),
                EntryExpr::StructField(_) => Err(structure(id)),
            }),
            Expr::Comprehension(looped) => self.looped(id, looped),
            Expr::Call(call) => {
                let hook = self.call(id, call)?;
                call.target.as_deref_mut().map_or(Ok(()), |target| self.node(target))?;
                let sums = usize::from(call.func_name == operators::ADD);
                self.reads += sums;
                call.args.iter_mut().try_for_each(|argument| self.node(argument))?;
                self.reads -= sums;
                if let Some(hook) = hook {
                    let index = [Expr::Ident(hook), Expr::List(ListExpr::new(mem::take(&mut call.args)))];
                    node.expr = operation(operators::INDEX, id, index);
                }
                Ok(())
            }
            Expr::Struct(_) => Err(structure(id)),
            Expr::Unspecified => Err(problem(id, "Something is missing here.", "Write a value or a name.")),
        }
    }

    /// The name of the slot that this node is, if it is one.
    fn slot(&mut self, node: &Expression) -> Result<Option<String>, Problem> {
        if let Expr::Select(select @ SelectExpr { test: true, .. }) = &node.expr {
            let Some((root, mut path)) = self.chain(&select.operand)? else {
                return Ok(None);
            };
            path.push(Segment::Field(select.field.clone()));
            return Ok(Some(self.place(root, path, true)));
        }
        let chain = self.chain(node)?;
        Ok(chain.map(|(root, path)| self.place(root, path, false)))
    }

    fn place(&mut self, root: Root, path: Vec<Segment>, presence: bool) -> String {
        let slot = Slot { root, path, presence };
        let known = self.slots.iter().position(|known| *known == slot);
        let at = known.unwrap_or_else(|| {
            self.slots.push(slot);
            self.slots.len() - 1
        });
        format!("@{at}*{}", self.reads)
    }

    /// The root and the path of a chain of fields.
    fn chain(&self, node: &Expression) -> Result<Option<(Root, Vec<Segment>)>, Problem> {
        let (inner, segment) = match &node.expr {
            Expr::Ident(name) if name.starts_with('@') || self.bound.as_ref() == Some(name) => return Ok(None),
            Expr::Ident(name) => return self.root(node.id, name).map(|root| Some((root, Vec::new()))),
            Expr::Select(select) if !select.test => (&*select.operand, Segment::Field(select.field.clone())),
            Expr::Call(call) if call.func_name == operators::INDEX => {
                let [inner, index] = call.args.as_slice() else {
                    return Ok(None);
                };
                let literal = match &index.expr {
                    Expr::Literal(LiteralValue::String(key)) => Some(key.inner().to_owned()),
                    _ => None,
                };
                if self.names_map(inner) {
                    let Expr::Ident(map) = &inner.expr else {
                        return Ok(None);
                    };
                    let key = literal.ok_or_else(|| keyless(index.id, map))?;
                    let map = map.clone();
                    return Ok(Some((Root::Key { map, key }, Vec::new())));
                }
                match (literal, &index.expr) {
                    (Some(key), _) => (inner, Segment::Field(key)),
                    (None, Expr::Literal(LiteralValue::Int(at))) => match usize::try_from(*at.inner()) {
                        Ok(at) => (inner, Segment::Index(at)),
                        Err(_) => return Ok(None),
                    },
                    _ => return Ok(None),
                }
            }
            _ => return Ok(None),
        };
        Ok(self.chain(inner)?.map(|(root, mut path)| {
            path.push(segment);
            (root, path)
        }))
    }

    fn names_map(&self, node: &Expression) -> bool {
        matches!(&node.expr, Expr::Ident(name) if self.vocabulary.is_map(name) && self.bound.as_ref() != Some(name))
    }

    fn root(&self, id: u64, name: &str) -> Result<Root, Problem> {
        if self.vocabulary.is_map(name) {
            return Err(keyless(id, name));
        }
        if !self.vocabulary.has_name(name) {
            let message = format!("There is no name {name}.");
            return Err(problem(id, message, self.vocabulary.names_hint()));
        }
        Ok(Root::Name(name.to_owned()))
    }

    /// Checks a call, and gives the name of the caller's function if it is one.
    fn call(&mut self, id: u64, call: &CallExpr) -> Result<Option<String>, Problem> {
        let (name, count, member) = (call.func_name.as_str(), call.args.len(), call.target.is_some());
        if !member && (name.starts_with('@') || operation_name(name)) {
            return Ok(None);
        }
        let hooks = if member {
            Vec::new()
        } else {
            self.vocabulary.arities(name)
        };
        if hooks.contains(&count) {
            if let [argument] = call.args.as_slice()
                && let Expr::Literal(LiteralValue::String(text)) = &argument.expr
            {
                self.texts.push((name.to_owned(), text.inner().to_owned()));
            }
            let known = self.functions.iter().position(|known| known == name);
            let at = known.unwrap_or_else(|| {
                self.functions.push(name.to_owned());
                self.functions.len() - 1
            });
            return Ok(Some(format!("@f{at}")));
        }
        let known = FUNCTIONS.iter().find(|(known, on, _)| *known == name && *on == member);
        let arities = if hooks.is_empty() {
            known.map_or(Vec::new(), |known| known.2.to_vec())
        } else {
            hooks
        };
        if arities.contains(&count) {
            return Ok(None);
        }
        Err(self.uncallable(id, name, member, &arities))
    }

    fn uncallable(&self, id: u64, name: &str, member: bool, arities: &[usize]) -> Problem {
        if !arities.is_empty() {
            let arities: Vec<String> = arities.iter().map(ToString::to_string).collect();
            let plural = if arities.len() == 1 && arities[0] == "1" {
                ""
            } else {
                "s"
            };
            let message = format!("{name} takes {} argument{plural} here.", arities.join(" or "));
            return problem(id, message, "Correct the number of arguments.");
        }
        if ["all", "exists", "exists_one", "existsOne", "has"].contains(&name) {
            let hint = "Write list.exists(x, x > 1), list.all(x, x > 1) or has(a.b).";
            return problem(id, format!("{name} is called in another way."), hint);
        }
        let own = FUNCTIONS.iter().filter(|(_, on, _)| *on == member);
        let mut known: Vec<String> = if member {
            Vec::new()
        } else {
            self.vocabulary.functions_hint()
        };
        known.extend(own.map(|(own, on, _)| if *on { format!("x.{own}()") } else { format!("{own}(x)") }));
        let message = format!("There is no function {name} that is called in this way.");
        problem(id, message, format!("Call one of {}.", known.join(", ")))
    }

    fn looped(&mut self, id: u64, looped: &mut ComprehensionExpr) -> Result<(), Problem> {
        if self.bound.is_some() {
            let message = "A macro stands within the body of another.";
            return Err(problem(
                id,
                message,
                "Write two filters, or compare with values of the list by index.",
            ));
        }
        // What `map` and `filter` expand to. The check of words has refused them already.
        if matches!(looped.accu_init.expr, Expr::List(_)) {
            return Err(problem(
                id,
                "This macro is not available in filters.",
                "Write list.exists(x, x > 1).",
            ));
        }
        if looped.iter_var.starts_with('.') || self.vocabulary.is_map(&looped.iter_var) {
            let message = "The first argument of a macro is a new name.";
            return Err(problem(id, message, "Write list.exists(x, x > 1)."));
        }
        let body = count::reads(&looped.loop_step);
        self.reads += body;
        let lowered = self.node(&mut looped.iter_range);
        self.reads -= body;
        lowered?;
        self.bound = Some(looped.iter_var.clone());
        let lowered = self.node(&mut looped.loop_step);
        self.bound = None;
        lowered?;
        let condition = mem::take(&mut looped.loop_cond.expr);
        looped.loop_cond.expr = operation(
            operators::LOGICAL_AND,
            id,
            [Expr::Ident(format!("@+{body}")), condition],
        );
        Ok(())
    }
}

fn operation(name: &str, id: u64, operands: [Expr; 2]) -> Expr {
    Expr::Call(CallExpr {
        func_name: name.to_owned(),
        target: None,
        args: operands.map(|expr| Expression { id, expr }).to_vec(),
    })
}

/// Operators are calls of names that no filter can write.
fn operation_name(name: &str) -> bool {
    name.starts_with(['_', '-', '!'])
        && name.contains(['!', '-', '+', '*', '/', '%', '=', '<', '>', '&', '|', '[', '?'])
}

fn structure(id: u64) -> Problem {
    problem(id, "Structures are not supported.", "Write a map, {\"key\": 1}.")
}

fn keyless(id: u64, map: &str) -> Problem {
    let message = format!("{map} is indexed with a text in quotes, and nothing else.");
    problem(id, message, format!("Write {map}[\"…\"] with the name in the quotes."))
}

fn problem(id: u64, message: impl Into<String>, hint: impl Into<String>) -> Problem {
    Problem {
        id,
        message: message.into(),
        hint: hint.into(),
    }
}
