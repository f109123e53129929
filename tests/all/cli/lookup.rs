//! Where `install` looks for a package.

use std::fs;

use serde_json::json;

use super::bench::{Bench, Ran, fixture, manifest};

#[test]
fn a_name_is_looked_up_in_order() {
    let bench = Bench::new();
    let places = [
        ".keyway/packages/notes",
        "extra-a/notes",
        "extra-b/notes",
        "plugins/notes",
    ];
    for (n, place) in places.iter().enumerate().rev() {
        let folder = bench.path(place);
        fs::create_dir_all(&folder).unwrap();
        let manifest = manifest("notes", &format!("1.0.{n}"), &json!({}));
        fs::write(folder.join("plugin.json"), manifest.to_string()).unwrap();

        let mut command = bench.command("plugin install notes --json");
        let output = command
            .env("KEYWAY_PLUGIN_PATH", "extra-a:extra-b")
            .output()
            .unwrap();
        let ran = Ran::from(output).succeeded();
        let result: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        let source = folder.canonicalize().unwrap();
        assert_eq!(result["newState"]["sourcePath"], json!(source), "{place}");
        bench.ok("plugin uninstall notes");
    }
}

#[test]
fn an_unknown_name_lists_where_it_was_looked_for() {
    let bench = Bench::new();
    let mut command = bench.command("plugin install notes");
    let ran = Ran::from(command.env("KEYWAY_PLUGIN_PATH", "extra").output().unwrap());
    assert_eq!(ran.code, 1);
    let want = "\
error: there is no package notes [PACKAGE_NOT_FOUND]
  looked for .keyway/packages/notes/plugin.json
  looked for extra/notes/plugin.json
  looked for plugins/notes/plugin.json
  help: to install from a folder, write a path: ./notes
  help: to look in more folders, set KEYWAY_PLUGIN_PATH=FOLDER[:FOLDER...]
";
    assert_eq!(ran.err, want);
}

#[test]
fn a_path_is_stored_absolute() {
    let bench = Bench::new();
    let package = bench.package("notes", &manifest("notes", "1.0.0", &json!({})));
    bench.ok(&format!("plugin install {package}"));
    let absolute = bench.path("src/notes").canonicalize().unwrap();
    assert_eq!(
        bench.catalog()["entries"]["notes"]["sourcePath"],
        json!(absolute)
    );
}

#[test]
fn a_path_that_leads_nowhere_is_refused() {
    let bench = Bench::new();
    fs::write(bench.path("file"), "").unwrap();
    fs::create_dir(bench.path("empty")).unwrap();
    bench.fails("plugin install ./nowhere", "PACKAGE_NOT_FOUND");
    bench.fails("plugin install ./file", "PACKAGE_NOT_FOUND");
    let error = bench.fails("plugin install ./empty", "PACKAGE_UNREADABLE");
    assert!(
        error.contains("help: a package is a folder with a plugin.json"),
        "{error}"
    );
}

#[test]
fn the_state_folder_comes_from_the_option_then_the_environment() {
    let bench = Bench::new();
    let path = fixture("plain-notes");
    let mut command = bench.command(&format!("plugin install {}", path.display()));
    Ran::from(command.env("KEYWAY_DIR", "from-env").output().unwrap()).succeeded();
    assert!(bench.path("from-env/plugins.json").exists());

    let mut command = bench.command(&format!(
        "--dir from-option plugin install {}",
        path.display()
    ));
    Ran::from(command.env("KEYWAY_DIR", "from-env").output().unwrap()).succeeded();
    assert!(bench.path("from-option/plugins.json").exists());
    assert!(!bench.path(".keyway").exists());
}
