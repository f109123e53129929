//! `keyway new` and `keyway check`, as an author types them.

use serde_json::json;

use super::bench::{Bench, fixture, manifest};

#[test]
fn a_new_plugin_passes_the_check_and_installs() {
    let bench = Bench::new();
    let ran = bench.ok("new weather-tools");
    assert!(
        ran.out
            .starts_with("Created weather-tools in weather-tools:\n"),
        "{ran:#?}"
    );
    for file in ["Cargo.toml", "plugin.json", "src/lib.rs"] {
        assert!(ran.out.contains(&format!("\n  {file}\n")), "{ran:#?}");
        assert!(bench.path("weather-tools").join(file).is_file(), "{file}");
    }
    bench.ok("check weather-tools");
    bench.ok("check weather-tools/plugin.json");
    bench.ok("plugin install ./weather-tools");
    assert_eq!(bench.status("weather-tools"), "pending");
}

#[test]
fn a_new_plugin_goes_where_its_author_says() {
    let bench = Bench::new();
    let mut command = bench.command("new weather-tools --dir here/there --json");
    let output = command.env("KEYWAY_DIR", "state").output().unwrap();
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["folder"], "here/there");
    assert!(bench.path("here/there/plugin.json").is_file());
    assert!(!bench.path("state").exists());
}

#[test]
fn what_new_refuses() {
    let bench = Bench::new();
    bench.ok("new twice");
    let table = [
        ("new twice", "FOLDER_OCCUPIED"),
        ("new No_Good", "NAME_INVALID"),
        ("new other --keyway-path /nowhere", "NOT_A_CHECKOUT"),
    ];
    for (command, code) in table {
        bench.fails(command, code);
    }
    assert!(!bench.path("No_Good").exists() && !bench.path("other").exists());
}

#[test]
fn a_check_that_finds_problems_exits_1_and_lists_them_all() {
    let bench = Bench::new();
    let mut broken = manifest("p", "one", &json!({ "slot": "nowhere" }));
    broken["name"] = json!("No Good");
    let package = bench.package("p", &broken);
    let ran = bench.run(&format!("check {package}"));
    assert_eq!(ran.code, 1);
    assert_eq!(
        ran.out.lines().next(),
        Some("./src/p/plugin.json: 3 problems"),
        "{ran:#?}"
    );
    assert_eq!(ran.out.lines().count(), 4, "{ran:#?}");

    let ran = bench.run(&format!("check {package} --json"));
    assert_eq!(ran.code, 1);
    let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(report["success"], false);
    assert_eq!(report["problems"].as_array().unwrap().len(), 3);
}

#[test]
fn every_fixture_package_passes_the_check() {
    let bench = Bench::new();
    for entry in std::fs::read_dir(fixture("")).unwrap() {
        let path = entry.unwrap().path();
        bench.ok(&format!("check {}", path.display()));
    }
}
