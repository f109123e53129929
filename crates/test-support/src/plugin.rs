//! Looks at a plugin without a host: what it registers, and whether its manifest says so.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use keyway_plugin_api::{
    Manifest, Plugin, Register, Staged, ToolDescriptor, check_api, plugin_api_version,
};
use serde_json::{Value, json};

/// Set this variable to rewrite the descriptors that a test compares with.
const UPDATE: &str = "UPDATE_GOLDEN";

/// Asserts that a plugin's manifest is valid for this version of the plugin API, that it declares
/// exactly what the plugin registers, and that it asks for what its tools need.
///
/// # Panics
/// With everything that does not fit.
#[track_caller]
pub fn check_manifest(plugin: &impl Plugin) {
    check_manifest_with(plugin, &json!({}));
}

/// Checks as [`check_manifest`] does, with an operator's settings.
///
/// # Panics
/// With everything that does not fit.
#[track_caller]
pub fn check_manifest_with(plugin: &impl Plugin, settings: &Value) {
    let (manifest, staged) = match registered(plugin, settings) {
        Ok(found) => found,
        Err(problem) => panic!("{problem}"),
    };
    let mut problems = missing(&manifest, &staged);
    let tools = staged.tools.iter();
    problems.extend(tools.flat_map(|tool| unasked(&manifest, tool.descriptor())));
    assert!(
        problems.is_empty(),
        "the manifest of {} and its code differ:\n  {}",
        manifest.name(),
        problems.join("\n  ")
    );
}

/// Parses a plugin's manifest as strictly as its author should and runs its `register`.
///
/// # Errors
/// A text with everything that is wrong.
pub fn registered(plugin: &impl Plugin, settings: &Value) -> Result<(Manifest, Staged), String> {
    let manifest = Manifest::parse_strict(plugin.manifest().as_bytes());
    let manifest = manifest.map_err(|error| error.to_string())?;
    if let Some(required) = manifest.api() {
        check_api(required, &[plugin_api_version()]).map_err(|error| error.to_string())?;
    }
    let mut ctx = Register::open(&manifest, settings);
    let outcome = plugin.register(&mut ctx);
    outcome.map_err(|error| format!("register failed: {error}"))?;
    let staged = ctx.finish();
    Ok((manifest, staged))
}

/// Asserts that the descriptors of a plugin's tools are those in a file: a change of what a model
/// reads is then a change somebody looked at. Run with `UPDATE_GOLDEN=1` to write the file.
///
/// The path is relative to the package's folder, where Cargo runs tests.
///
/// # Panics
/// When they differ, when the file cannot be read or written, when the plugin does not register.
#[track_caller]
pub fn assert_descriptors_match(plugin: &impl Plugin, path: impl AsRef<Path>) {
    let path = path.as_ref();
    let staged = match registered(plugin, &json!({})) {
        Ok((_, staged)) => staged,
        Err(problem) => panic!("{problem}"),
    };
    let actual = golden(&staged);
    if std::env::var_os(UPDATE).is_some() {
        let written = File::create(path).and_then(|mut file| file.write_all(actual.as_bytes()));
        if let Err(error) = written {
            panic!("cannot write {}: {error}", path.display());
        }
        return;
    }
    let expected = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => panic!(
            "cannot read {}: {error}; run with {UPDATE}=1 to write it",
            path.display()
        ),
    };
    assert!(
        expected == actual,
        "the descriptors are not those of {}; look at the difference and run with {UPDATE}=1\n\
         --- expected\n{expected}\n--- actual\n{actual}",
        path.display()
    );
}

fn golden(staged: &Staged) -> String {
    let mut descriptors: Vec<_> = staged.tools.iter().map(|tool| tool.descriptor()).collect();
    descriptors.sort_by(|a, b| a.name.cmp(&b.name));
    let mut text = serde_json::to_string_pretty(&descriptors).unwrap_or_default();
    text.push('\n');
    text
}

fn missing(manifest: &Manifest, staged: &Staged) -> Vec<String> {
    let contributes = manifest.contributes();
    let mut tools = staged.tools.iter().map(|tool| &tool.descriptor().name);
    let absent = |name: &&_| !tools.clone().any(|registered| registered == *name);
    let mut problems: Vec<_> = contributes
        .tools
        .keys()
        .filter(absent)
        .map(|name| format!("tool `{name}` is declared and not registered"))
        .collect();
    let has_hook = |point| staged.hooks.iter().any(|hook| hook.point == point);
    let hooks = contributes
        .hooks
        .iter()
        .filter(|point| !has_hook(**point))
        .map(|point| format!("hook `{point}` is declared and not registered"));
    problems.extend(hooks);
    problems.extend(tools.by_ref().filter_map(|name| {
        let declared = contributes.tools.contains_key(name);
        (!declared).then(|| format!("tool `{name}` is registered and not declared"))
    }));
    problems
}

/// A need that the manifest asks nothing for can never be granted.
fn unasked(manifest: &Manifest, descriptor: &ToolDescriptor) -> Vec<String> {
    let asked: Vec<_> = manifest
        .capabilities()
        .iter()
        .map(|r| &r.capability)
        .collect();
    let unmet = descriptor
        .needs
        .iter()
        .filter(|need| !need.is_met_by(asked.iter().copied()));
    unmet
        .map(|need| {
            let name = &descriptor.name;
            format!("tool `{name}` needs {need}, and the manifest does not ask for it")
        })
        .collect()
}
