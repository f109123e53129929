//! The published JSON Schema of the extension, and that it and the parser say the same.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::LazyLock;

use keyway_plugin_api::Manifest;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

/// Set this variable to write the schema anew.
const UPDATE: &str = "UPDATE_SCHEMAS";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn example() -> Value {
    let file = root().join("tests/fixtures/manifests/full-example/plugin.json");
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

static SCHEMA: LazyLock<jsonschema::Validator> =
    LazyLock::new(|| jsonschema::validator_for(&Manifest::extension_schema()).unwrap());

#[test]
fn published_schema_is_the_one_of_the_code() {
    let file = root().join("docs/schemas/dev.keyway.schema.json");
    let text = serde_json::to_string_pretty(&Manifest::extension_schema()).unwrap() + "\n";
    if std::env::var_os(UPDATE).is_some() {
        let mut file = fs::File::create(&file).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }
    let published = fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(
        published, text,
        "run with {UPDATE}=1 to publish the schema anew"
    );
}

#[test]
fn example_keeps_to_the_published_schema() {
    let extension = &example()["extensions"]["dev.keyway"];
    if let Err(error) = SCHEMA.validate(extension) {
        panic!("{error}");
    }
    let mut broken = extension.clone();
    broken["capabilities"][0]["kind"] = json!("telepathy");
    assert!(!SCHEMA.is_valid(&broken));
}

/// Finds every spot of a document, the deepest included.
fn spots(value: &Value, at: &str, found: &mut Vec<String>) {
    let mut visit = |key: &str, child: &Value| {
        let at = format!("{at}/{key}");
        spots(child, &at, found);
        found.push(at);
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, child)| visit(key, child)),
        Value::Array(items) => {
            let indexed = items.iter().enumerate();
            indexed.for_each(|(i, child)| visit(&i.to_string(), child));
        }
        _ => {}
    }
}

fn anything() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        Just(json!(1.5)),
        "[a-z./@^0-9]{0,6}".prop_map(Value::from),
        Just(json!([])),
        Just(json!({})),
        Just(json!(["x"])),
        Just(json!(["read", "read"])),
        Just(json!([7])),
        Just(json!({ "kind": "network" })),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever the schema refuses, the parser refuses too: an author whose editor is content
    /// with the schema meets the parser's finer rules only, never looser ones.
    #[test]
    fn parser_refuses_whatever_the_schema_refuses(spot: Index, with in anything()) {
        let mut document = example();
        let mut found = Vec::new();
        spots(&document["extensions"]["dev.keyway"], "", &mut found);
        let spot = spot.get(&found);
        let extension = &mut document["extensions"]["dev.keyway"];
        *extension.pointer_mut(spot).unwrap() = with;
        let schema_refuses = !SCHEMA.is_valid(extension);
        let parsed = Manifest::parse_strict(document.to_string().as_bytes());
        prop_assert!(parsed.is_err() || !schema_refuses, "{spot}: {document}");
    }
}

/// Asks the parser which fields it knows at a spot: it lists them next to one that it does not.
fn known_fields(spot: &str) -> Vec<String> {
    let mut document = example();
    let extension = &mut document["extensions"]["dev.keyway"];
    extension.pointer_mut(spot).unwrap()["zzzzzzzzzzzz"] = json!(1);
    let hint = match Manifest::parse_strict(document.to_string().as_bytes()) {
        Err(error) => error.problems()[0].hint.clone().unwrap(),
        Ok(_) => panic!("{spot} takes any field"),
    };
    let fields = hint.strip_prefix("the fields are ").unwrap().split(", ");
    let mut fields: Vec<String> = fields.map(str::to_owned).collect();
    fields.sort();
    fields
}

#[test]
fn schema_and_parser_know_the_same_fields() {
    let schema = Manifest::extension_schema();
    for (spot, definition) in [
        ("", ""),
        ("/activation", "/$defs/Activation"),
        ("/contributes", "/$defs/Contributes"),
        ("/contributes/tools/1", "/$defs/Tool/anyOf/1"),
        ("/runtime", "/$defs/Runtime"),
        ("/state", "/$defs/State"),
    ] {
        let properties = &schema.pointer(definition).unwrap()["properties"];
        let fields: Vec<&String> = properties.as_object().unwrap().keys().collect();
        assert_eq!(
            fields,
            known_fields(spot).iter().collect::<Vec<_>>(),
            "{spot}"
        );
    }
    let kinds = schema["$defs"]["CapabilityRequest"]["oneOf"]
        .as_array()
        .unwrap();
    for (i, family) in ["network", "secret", "filesystem", "surface"]
        .iter()
        .enumerate()
    {
        let kind = kinds
            .iter()
            .find(|k| k["properties"]["kind"]["const"] == **family)
            .unwrap();
        let mut fields: Vec<String> = kind["properties"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect();
        fields.extend(["background", "optional", "reason"].map(str::to_owned));
        fields.sort();
        assert_eq!(
            fields,
            known_fields(&format!("/capabilities/{i}")),
            "{family}"
        );
    }
}
