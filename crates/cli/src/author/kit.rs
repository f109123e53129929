//! The kinds of plugin that `keyway new` writes, and what their files are made of.

use clap::ValueEnum;
use keyway_plugin_api::{PluginId, plugin_api_version};

use super::error::NewError;
use super::source::ApiSource;

/// What a new plugin is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    /// JavaScript, run by Node.
    Node,
    /// Python.
    Python,
    /// Rust.
    Rust,
}

/// How a new plugin runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Placement {
    /// Compiled into a host.
    Linked,
    /// As a process of its own.
    Process,
}

/// A kit is a language together with a way to run that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kit {
    /// Rust, compiled into a host.
    Linked,
    /// Rust, as a process.
    Program,
    /// A script, as a process.
    Script(Script),
}

/// A script is one file that an interpreter of the machine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Script {
    /// Run by `node`.
    Node,
    /// Run by `python3`.
    Python,
}

/// A file of a new plugin and its template.
pub(crate) type Template = (&'static str, &'static str);

const CARGO: &str = include_str!("template/Cargo.toml.in");
const LIB: &str = include_str!("template/lib.rs.in");
const MANIFEST: &str = include_str!("template/plugin.json.in");
const README_SCRIPT: &str = include_str!("template/README.script.md.in");
const TESTS: &str = include_str!("template/plugin.rs.in");

const LINKED: [Template; 6] = [
    (".gitignore", "/target\n"),
    ("Cargo.toml", CARGO),
    ("README.md", include_str!("template/README.md.in")),
    ("plugin.json", MANIFEST),
    ("src/lib.rs", LIB),
    ("tests/plugin.rs", TESTS),
];

const PROGRAM: [Template; 8] = [
    (
        ".cargo/config.toml",
        include_str!("template/cargo-config.toml.in"),
    ),
    (".gitignore", "/.keyway\n/package/bin\n/target\n"),
    ("Cargo.toml", CARGO),
    ("README.md", include_str!("template/README.process.md.in")),
    ("package/plugin.json", MANIFEST),
    ("src/lib.rs", LIB),
    ("src/main.rs", include_str!("template/main.rs.in")),
    ("tests/plugin.rs", TESTS),
];

const PYTHON: [Template; 4] = [
    (".gitignore", "/.keyway\n"),
    ("README.md", README_SCRIPT),
    ("package/plugin.json", MANIFEST),
    ("package/plugin.py", include_str!("template/plugin.py.in")),
];

const NODE: [Template; 4] = [
    (".gitignore", "/.keyway\n"),
    ("README.md", README_SCRIPT),
    ("package/plugin.json", MANIFEST),
    ("package/plugin.mjs", include_str!("template/plugin.mjs.in")),
];

impl Kit {
    /// Chooses a kit. Rust is linked unless said otherwise; nothing else can be.
    ///
    /// # Errors
    /// [`NewError::NotLinkable`].
    pub(crate) fn parse(language: Language, wanted: Option<Placement>) -> Result<Self, NewError> {
        let script = match (language, wanted) {
            (Language::Rust, None | Some(Placement::Linked)) => return Ok(Self::Linked),
            (Language::Rust, Some(Placement::Process)) => return Ok(Self::Program),
            (_, Some(Placement::Linked)) => return Err(NewError::NotLinkable),
            (Language::Node, _) => Script::Node,
            (Language::Python, _) => Script::Python,
        };
        Ok(Self::Script(script))
    }

    /// Returns the files of the kit.
    pub(crate) fn templates(self) -> &'static [Template] {
        match self {
            Self::Linked => &LINKED,
            Self::Program => &PROGRAM,
            Self::Script(Script::Node) => &NODE,
            Self::Script(Script::Python) => &PYTHON,
        }
    }

    /// Returns what the author runs next, each with what it is for.
    pub(crate) fn next_steps(self, folder: &str) -> Vec<String> {
        let (test, dev) = (
            format!("to test it: cd {folder} && cargo test"),
            format!("to try it while you write: keyway dev {folder}"),
        );
        match self {
            Self::Linked => vec![test, format!("to check it: keyway check {folder}")],
            Self::Program => vec![test, format!("{dev} -- cargo pack")],
            Self::Script(_) => vec![dev, format!("to check it: keyway check {folder}")],
        }
    }

    /// Returns the value of `runtime` in the manifest.
    fn runtime(self, package: &str) -> String {
        match self {
            Self::Linked => r#"{ "kind": "linked" }"#.to_owned(),
            Self::Program => {
                format!(r#"{{ "kind": "process", "command": "./bin/{package}" }}"#)
            }
            Self::Script(script) => {
                let (command, file) = (script.interpreter(), script.file());
                format!(r#"{{ "kind": "process", "command": "{command}", "args": ["{file}"] }}"#)
            }
        }
    }
}

impl Script {
    fn interpreter(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Python => "python3",
        }
    }

    fn file(self) -> &'static str {
        match self {
            Self::Node => "plugin.mjs",
            Self::Python => "plugin.py",
        }
    }

    fn language(self) -> &'static str {
        match self {
            Self::Node => "JavaScript",
            Self::Python => "Python",
        }
    }
}

/// What the templates leave open.
pub(crate) struct Words(Vec<(&'static str, String)>);

impl Words {
    /// Finds the words for one plugin.
    ///
    /// # Errors
    /// [`NewError::NotACheckout`].
    pub(crate) fn new(name: &PluginId, kit: Kit, source: &ApiSource) -> Result<Self, NewError> {
        let package = package_name(name);
        let mut words = vec![
            ("{{api}}", api_range()),
            ("{{name}}", name.to_string()),
            ("{{package}}", package.clone()),
            ("{{runtime}}", kit.runtime(&package)),
        ];
        match kit {
            Kit::Linked | Kit::Program => words.extend(of_crate(&package, kit, source)?),
            Kit::Script(script) => words.extend([
                ("{{language}}", script.language().to_owned()),
                ("{{script}}", script.file().to_owned()),
            ]),
        }
        Ok(Self(words))
    }

    /// Fills a template.
    pub(crate) fn fill(&self, template: &str) -> String {
        let fill = |text: String, (blank, word): &(&str, String)| text.replace(blank, word);
        self.0.iter().fold(template.to_owned(), fill)
    }
}

/// The words of a plugin that is a Cargo package.
fn of_crate(
    package: &str,
    kit: Kit,
    source: &ApiSource,
) -> Result<[(&'static str, String); 6], NewError> {
    let (manifest, serve) = match kit {
        Kit::Program => {
            let serve = source.dependency("serve")?;
            (
                "../package/plugin.json",
                format!("keyway-serve = {serve}\n"),
            )
        }
        Kit::Linked | Kit::Script(_) => ("../plugin.json", String::new()),
    };
    Ok([
        ("{{api-dependency}}", source.dependency("plugin-api")?),
        ("{{crate}}", package.replace('-', "_")),
        ("{{manifest-path}}", manifest.to_owned()),
        ("{{serve-line}}", serve),
        ("{{test-dependency}}", source.dependency("test-support")?),
        ("{{type}}", type_name(package)),
    ])
}

/// A package is named like its plugin, unless Cargo would not have it.
fn package_name(name: &PluginId) -> String {
    let name = name.as_str();
    let begins_with_digit = name.bytes().next().is_some_and(|b| b.is_ascii_digit());
    match begins_with_digit || TAKEN_NAMES.contains(&name) {
        true => format!("plugin-{name}"),
        false => name.to_owned(),
    }
}

/// `weather-tools` becomes `WeatherToolsPlugin`; the ending keeps it apart from what the source
/// imports.
fn type_name(package: &str) -> String {
    let capitalise = |word: &str| {
        let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
        first.to_ascii_uppercase() + rest
    };
    package.split('-').map(capitalise).collect::<String>() + "Plugin"
}

fn api_range() -> String {
    let version = plugin_api_version();
    match version.major {
        0 => format!(">=0.{}, <0.{}", version.minor, version.minor + 1),
        major => format!(">={major}.{}, <{}", version.minor, major + 1),
    }
}

/// Names that Cargo or the compiler keep for themselves, or that our own crates have.
const TAKEN_NAMES: [&str; 55] = [
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "build",
    "const",
    "continue",
    "core",
    "crate",
    "deps",
    "do",
    "dyn",
    "else",
    "enum",
    "examples",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "incremental",
    "keyway-derive",
    "keyway-plugin-api",
    "keyway-test-support",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn id(name: &str) -> PluginId {
        PluginId::parse(name).unwrap()
    }

    #[test]
    fn packages_and_types_are_named_after_the_plugin() {
        for (name, package, type_named) in [
            ("weather-tools", "weather-tools", "WeatherToolsPlugin"),
            ("a", "a", "APlugin"),
            ("plugin", "plugin", "PluginPlugin"),
            ("test", "plugin-test", "PluginTestPlugin"),
            ("match", "plugin-match", "PluginMatchPlugin"),
            ("7-zip", "plugin-7-zip", "Plugin7ZipPlugin"),
        ] {
            assert_eq!(package_name(&id(name)), package);
            assert_eq!(type_name(package), type_named);
        }
    }

    #[test]
    fn no_template_keeps_a_blank() {
        let kits = [
            Kit::Linked,
            Kit::Program,
            Kit::Script(Script::Node),
            Kit::Script(Script::Python),
        ];
        for kit in kits {
            let words = Words::new(&id("weather-tools"), kit, &ApiSource::Registry).unwrap();
            for (file, template) in kit.templates() {
                let text = words.fill(template);
                // Programs have braces of their own, but nothing in them like a blank.
                let mut after = text.split("{{").skip(1);
                let is_blank = |rest: &str| rest.starts_with(|c: char| c.is_ascii_lowercase());
                assert!(!after.any(is_blank), "{file}:\n{text}");
            }
        }
    }

    #[test]
    fn only_rust_can_be_linked() {
        for language in [Language::Node, Language::Python] {
            let kit = Kit::parse(language, Some(Placement::Linked));
            assert!(matches!(kit, Err(NewError::NotLinkable)));
            assert_eq!(
                Kit::parse(language, None).ok(),
                Kit::parse(language, Some(Placement::Process)).ok()
            );
        }
    }
}
