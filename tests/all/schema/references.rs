//! Attack E4: references that read files and open connections.

use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jsonschema::{Retrieve, Uri};
use keyway_host::limits::Limits;
use keyway_host::schema::Validator;
use serde_json::{Value, json};

const CANARY: &str = "s3cret-canary-7f1e";

/// A file that a schema could point at; what it holds shows up in the library's errors.
#[expect(clippy::disallowed_methods, reason = "a canary need not be durable")]
fn canary_file() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("canary.json");
    std::fs::write(&path, json!({"const": CANARY}).to_string()).unwrap();
    let url = format!("file://{}", path.display());
    (folder, url)
}

/// Everywhere that a reference or something like one can stand.
fn places(url: &str) -> Vec<Value> {
    let ref_ = json!({"$ref": url});
    vec![
        ref_.clone(),
        json!({"$ref": format!("{url}#/const")}),
        json!({"$dynamicRef": url}),
        json!({"$schema": "https://json-schema.org/draft/2019-09/schema", "$recursiveRef": url}),
        json!({"$schema": url}),
        json!({"$schema": "http://json-schema.org/draft-07/schema#", "$ref": url}),
        json!({"$id": url, "$ref": "#/const"}),
        json!({"$id": url, "properties": {"a": {"$ref": "canary.json"}}}),
        json!({"$id": url, "properties": {"a": {"$ref": url}}}),
        json!({"properties": {"a": {"$id": url, "$ref": "#"}}}),
        json!({"properties": {"a": ref_}}),
        json!({"items": ref_}),
        json!({"additionalProperties": ref_}),
        json!({"not": ref_}),
        json!({"$defs": {"a": ref_}}),
        json!({"definitions": {"a": ref_}}),
        json!({"patternProperties": {"a": ref_}}),
        json!({"dependentSchemas": {"a": ref_}}),
        json!({"contentSchema": ref_}),
        json!({"unevaluatedItems": ref_}),
        // Data that looks like a reference.
        json!({"const": ref_}),
        json!({"default": ref_}),
        json!({"enum": [ref_]}),
        json!({"examples": [ref_]}),
        json!({"x-unknown": ref_}),
        json!({"x-unknown": ref_, "$ref": "#/x-unknown"}),
        json!({"properties": {"$ref": {"const": url}}}),
    ]
}

/// Compiles and uses a schema; returns everything that anybody would be shown.
fn shown(schema: &Value) -> String {
    match Validator::compile(schema, &Limits::default()) {
        Err(refused) => format!("{refused} {refused:?}"),
        Ok(validator) => [json!(1), json!({"a": 1}), json!([1]), json!("x")]
            .iter()
            .filter_map(|arguments| validator.validate(arguments).err())
            .map(|problems| format!("{problems} {problems:?}"))
            .collect(),
    }
}

#[test]
fn s_e4_no_schema_reads_a_file() {
    let (_folder, url) = canary_file();
    for schema in places(&url) {
        let shown = shown(&schema);
        assert!(!shown.contains(CANARY), "{schema}: {shown}");
    }
}

/// The control: the library as it comes reads the file and shows what is in it.
#[test]
fn s_e4_control_the_library_reads_the_file() {
    let (_folder, url) = canary_file();
    let open = jsonschema::validator_for(&json!({"$ref": url})).unwrap();
    let shown = open.validate(&json!(1)).unwrap_err().to_string();
    assert!(shown.contains(CANARY), "{shown}");
}

#[test]
fn s_e4_references_out_of_the_schema_are_refused_by_name() {
    let references = [
        "http://169.254.169.254/latest/meta-data/",
        "https://json-schema.org/draft/2020-12/schema",
        "http://127.0.0.1:9/x",
        "file:///etc/shadow",
        "file:etc/passwd",
        "FILE:///etc/passwd",
        "//evil.test/x.json",
        "/etc/passwd",
        "other.json",
        "./other.json#/a",
        "urn:uuid:4f1c",
        "json-schema:///",
        "",
        " #/x",
        "?#",
    ];
    for reference in references {
        let schema = json!({"properties": {"a": {"$ref": reference}}});
        let refused = Validator::compile(&schema, &Limits::default()).unwrap_err();
        assert_eq!(refused.code(), "SCHEMA_REMOTE_REFERENCE", "{reference}");
    }
}

#[test]
fn s_e4_references_that_lead_nowhere_are_refused() {
    for reference in [
        "#/$defs/none",
        "#none",
        "#/properties/a/b/c",
        "#/%zz",
        "#/%ff",
        "#/$defs/~2",
    ] {
        let schema = json!({"properties": {"a": {"$ref": reference}}});
        let refused = Validator::compile(&schema, &Limits::default()).unwrap_err();
        assert_eq!(refused.code(), "SCHEMA_UNRESOLVED_REFERENCE", "{reference}");
    }
}

/// A listener that counts who comes.
struct Trap {
    url: String,
    visits: Arc<AtomicUsize>,
}

impl Trap {
    fn set() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/schema.json", listener.local_addr().unwrap());
        let visits = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&visits);
        std::thread::spawn(move || {
            for visitor in listener.incoming() {
                counter.fetch_add(1, Ordering::SeqCst);
                drop(visitor);
            }
        });
        Self { url, visits }
    }

    /// Counts the visits so far. The trap's own visit queues behind all of them.
    fn visits(&self) -> usize {
        let address = self
            .url
            .trim_start_matches("http://")
            .trim_end_matches("/schema.json");
        let mut own = TcpStream::connect(address).unwrap();
        let _ = own.read(&mut [0; 1]);
        self.visits.load(Ordering::SeqCst) - 1
    }
}

#[test]
fn s_e4_no_schema_opens_a_connection() {
    let trap = Trap::set();
    for schema in places(&trap.url) {
        shown(&schema);
    }
    assert_eq!(trap.visits(), 0);
}

/// The control: a library that is let fetch does.
#[test]
fn s_e4_control_a_library_that_may_fetch_opens_a_connection() {
    struct Fetch;
    impl Retrieve for Fetch {
        fn retrieve(
            &self,
            uri: &Uri<String>,
        ) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
            let address = uri.authority().unwrap().as_str();
            let mut answer = String::new();
            TcpStream::connect(address)?.read_to_string(&mut answer)?;
            Ok(json!(true))
        }
    }
    let trap = Trap::set();
    let open = jsonschema::options().with_retriever(Fetch);
    assert!(open.build(&json!({"$ref": trap.url})).is_ok());
    assert_eq!(trap.visits(), 1);
}
