//! Running a command as somebody else, by sudo: the text, what goes before its stdin, and whether sudo let it begin.

mod elevated;
mod gate;
mod script;

pub(crate) use elevated::Elevated;
pub(crate) use gate::Gate;
