//! Counts the nodes and the depth of a syntax tree without recursion.

use crate::{MAX_DEPTH, MAX_NODES};
use cel::common::ast::{EntryExpr, Expr, operators};
use cel::parser::Expression;

/// A limit that a tree exceeds.
pub(crate) enum Excess {
    /// The ids of all nodes.
    Nodes(Vec<u64>),
    /// The id of a node that is too deep.
    Depth(u64),
}

/// # Errors
/// Says which limit the tree exceeds.
pub(crate) fn check(root: &Expression) -> Result<(), Excess> {
    let (mut ids, mut deep) = (Vec::new(), None);
    let mut waiting = vec![(root, 1)];
    while let Some((node, depth)) = waiting.pop() {
        ids.push(node.id);
        if depth > MAX_DEPTH {
            deep = Some(node.id);
        }
        each_child(node, |child| waiting.push((child, depth + 1)));
    }
    if ids.len() > MAX_NODES {
        return Err(Excess::Nodes(ids));
    }
    deep.map_or(Ok(()), |id| Err(Excess::Depth(id)))
}

/// How often the nodes read their values: once each, and once more for each sum around them, which copies them.
pub(crate) fn reads(root: &Expression) -> usize {
    let (mut reads, mut waiting) = (0, vec![(root, 1)]);
    while let Some((node, copies)) = waiting.pop() {
        reads += copies;
        let copies = copies + usize::from(matches!(&node.expr, Expr::Call(call) if call.func_name == operators::ADD));
        each_child(node, |child| waiting.push((child, copies)));
    }
    reads
}

fn each_child<'a>(node: &'a Expression, mut visit: impl FnMut(&'a Expression)) {
    match &node.expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => {}
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).for_each(visit),
        Expr::Select(select) => visit(&select.operand),
        Expr::List(list) => list.elements.iter().for_each(visit),
        Expr::Comprehension(macro_) => {
            for part in [
                &macro_.iter_range,
                &macro_.accu_init,
                &macro_.loop_cond,
                &macro_.loop_step,
                &macro_.result,
            ] {
                visit(part);
            }
        }
        Expr::Map(map) => each_entry(map.entries.iter().map(|entry| &entry.expr), visit),
        Expr::Struct(made) => each_entry(made.entries.iter().map(|entry| &entry.expr), visit),
    }
}

fn each_entry<'a>(entries: impl Iterator<Item = &'a EntryExpr>, mut visit: impl FnMut(&'a Expression)) {
    for entry in entries {
        match entry {
            EntryExpr::StructField(field) => visit(&field.value),
            EntryExpr::MapEntry(entry) => {
                visit(&entry.key);
                visit(&entry.value);
            }
        }
    }
}
