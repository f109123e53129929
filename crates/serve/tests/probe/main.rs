//! The plugin that the tests start as a child.

fn main() {}
