//! Attack E5: patterns that backtrack.

use jsonschema::error::ValidationErrorKind;
use keyway_host::limits::Limits;
use keyway_host::schema::Validator;
use serde_json::json;

/// Shapes in which `X` and `Y` overlap, so that a backtracking engine tries every split.
const SHAPES: [&str; 20] = [
    "^(X+)+$",
    "^(X*)*$",
    "^(X|Y)+$",
    "^(X|Y|XY)*$",
    "^(X+)*Y$",
    "^(XY?)+$",
    "^(X+Y*)+$",
    "^((X+)+)+$",
    "^(X|X)*$",
    "^(X*X*)*$",
    "^X*X*X*X*X*$",
    "(X+){20}$",
    "^(X{1,20}){1,20}$",
    "(.*)*X$",
    "^(.*X){10}$",
    "(X|Y)*?!$",
    "^(X+)+\\1$",
    "^(X|XX)+\\1?$",
    "^(?=(X+)+$)X",
    "(?<!X)(X|Y)+$",
];
const ATOMS: [(&str, &str); 10] = [
    ("a", "aa"),
    ("[a-z]", "a"),
    ("\\w", "a"),
    (".", "a"),
    ("[^b]", "a"),
    ("a?", "a"),
    ("(?:a|a)", "a"),
    ("[a-zA-Z0-9]", "[a-c]"),
    ("\\S", "a"),
    ("(?:aa?)", "aaa"),
];

fn patterns() -> impl Iterator<Item = String> {
    let fill = |shape: &str, (x, y): (&str, &str)| shape.replace('X', x).replace('Y', y);
    SHAPES
        .iter()
        .flat_map(move |shape| ATOMS.iter().map(move |atoms| fill(shape, *atoms)))
}

#[test]
fn s_e5_two_hundred_patterns_are_linear_or_refused() {
    let text = format!("{}!", "a".repeat(100_000));
    let (mut used, mut refused) = (0, 0);
    for pattern in patterns() {
        match Validator::compile(&json!({"pattern": pattern}), &Limits::default()) {
            Ok(validator) => {
                // The verdict is the engine's; that it comes at all is the point.
                let _ = validator.validate(&json!(text));
                used += 1;
            }
            Err(error) => {
                assert_eq!(error.code(), "SCHEMA_PATTERN", "{pattern}");
                refused += 1;
            }
        }
    }
    assert_eq!(used + refused, 200);
    assert!(used >= 120, "only {used} patterns were usable");
    assert!(refused >= 40, "only {refused} patterns were refused");
}

/// The control: the library's own engine runs into its limit on a text of thirty letters.
#[test]
fn s_e5_control_the_default_engine_backtracks_until_it_gives_up() {
    let text = json!(format!("{}!", "a".repeat(30)));
    let gave_up = |pattern: &str| {
        let open = jsonschema::options().build(&json!({"pattern": pattern}));
        open.is_ok_and(|open| {
            let found = open.validate(&text);
            matches!(
                found.map_err(|e| matches!(
                    e.kind(),
                    ValidationErrorKind::BacktrackLimitExceeded { .. }
                )),
                Err(true)
            )
        })
    };
    assert!(gave_up("^(a|aa)+\\1?$"));
}
