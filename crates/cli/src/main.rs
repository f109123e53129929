//! `keyway`: the command of operators and plugin authors.

#[expect(dead_code, reason = "the commands that call it are not wired yet")]
mod author;

fn main() {}
