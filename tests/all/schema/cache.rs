//! Validators are shared, compiled on first use and bounded in number.

use std::sync::Arc;

use keyway_host::limits::Limits;
use keyway_host::schema::ValidatorCache;
use serde_json::json;

#[test]
fn equal_schemas_share_one_validator_that_compiles_once() {
    let cache = ValidatorCache::new(10, Limits::default());
    let one = cache.intern(&json!({"type": "object", "required": ["a"]}));
    let two = cache.intern(&json!({"required": ["a"], "type": "object"}));
    assert!(Arc::ptr_eq(&one, &two));
    assert_eq!(cache.compiled(), 0);
    assert!(Arc::ptr_eq(&one.get().unwrap(), &two.get().unwrap()));
    assert_eq!(cache.compiled(), 1);
}

#[test]
fn the_number_of_compiled_validators_is_bounded() {
    let cache = ValidatorCache::new(8, Limits::default());
    let all: Vec<_> = (0..50)
        .map(|i| cache.intern(&json!({"const": i})))
        .collect();
    for round in 0..3 {
        for (i, lazy) in all.iter().enumerate() {
            assert!(lazy.get().unwrap().is_valid(&json!(i)), "round {round}");
            assert!(cache.compiled() <= 8);
        }
    }
}

#[test]
fn a_busy_validator_stays() {
    let cache = ValidatorCache::new(4, Limits::default());
    let busy = cache.intern(&json!({"type": "object"}));
    let first = busy.get().unwrap();
    for i in 0..50 {
        busy.get().unwrap();
        cache.intern(&json!({"const": i})).get().unwrap();
    }
    assert!(Arc::ptr_eq(&first, &busy.get().unwrap()));
}

#[test]
fn a_validator_dies_with_the_last_tool_that_uses_it() {
    let cache = ValidatorCache::new(8, Limits::default());
    let lazy = cache.intern(&json!({"type": "object"}));
    lazy.get().unwrap();
    assert_eq!(cache.compiled(), 1);
    drop(lazy);
    assert_eq!(cache.compiled(), 0);
}

#[test]
fn a_refused_schema_is_refused_each_time() {
    let cache = ValidatorCache::new(8, Limits::default());
    let lazy = cache.intern(&json!({"$ref": "file:///etc/passwd"}));
    for _ in 0..2 {
        assert_eq!(lazy.get().unwrap_err().code(), "SCHEMA_REMOTE_REFERENCE");
    }
}

#[test]
fn threads_that_compile_at_once_agree() {
    let cache = ValidatorCache::new(4, Limits::default());
    let lazies: Vec<_> = (0..8).map(|i| cache.intern(&json!({"const": i}))).collect();
    std::thread::scope(|scope| {
        for start in 0..4 {
            let lazies = &lazies;
            scope.spawn(move || {
                for round in 0..50 {
                    let i = (start + round) % lazies.len();
                    assert!(lazies[i].get().unwrap().is_valid(&json!(i)));
                }
            });
        }
    });
    assert!(cache.compiled() <= 4);
}
