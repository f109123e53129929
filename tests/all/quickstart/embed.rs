//! The smallest program that makes a governed call.

use std::process::Command;

use crate::support::binary;

const PAGE: &str = include_str!("../../../docs/quickstart.md");
const SOURCE: &str = include_str!("../../../examples/embed-20-lines/src/main.rs");

#[test]
fn twenty_lines_make_a_governed_call() {
    assert!(SOURCE.lines().count() <= 20, "the example outgrew its name");
    let output = Command::new(binary("embed")).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "\"Hello, Ada!\"\n");
}

#[test]
fn the_page_shows_the_program_that_runs() {
    assert!(
        PAGE.contains(&format!("```rust\n{SOURCE}```")),
        "copy main.rs into the page"
    );
}
