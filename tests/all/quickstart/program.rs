//! The program as a person starts it.

use std::process::Command;

use crate::support::binary;

#[test]
fn help_says_what_it_does_and_where_it_writes() {
    let output = Command::new(binary("quickstart")).arg("--help").output();
    let output = output.unwrap();
    assert!(output.status.success());
    let help = String::from_utf8(output.stdout).unwrap();
    for word in ["--dir", "--ask", "OPENAI_BASE_URL", ".keyway"] {
        assert!(help.contains(word), "{word} is missing in:\n{help}");
    }
}
