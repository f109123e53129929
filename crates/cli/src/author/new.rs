//! Writes a new plugin: a Cargo package with a manifest, one tool and its tests.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use keyway_plugin_api::{NameError, PluginId, plugin_api_version};

/// Where the new plugin finds keyway's crates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ApiSource {
    /// A checkout of keyway's repository.
    Checkout(PathBuf),
    /// The package registry.
    Registry,
}

/// Says why no plugin was written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NewError {
    /// A file or folder could not be made; what was written until then stays.
    #[error("cannot write {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The name is no plugin id.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The folder named as keyway's checkout is not one.
    #[error("{} is not a checkout of keyway", path.display())]
    NotACheckout {
        /// The folder.
        path: PathBuf,
    },
    /// The folder holds something already; nothing was written.
    #[error("{} is not empty", path.display())]
    Occupied {
        /// The folder.
        path: PathBuf,
    },
}

impl NewError {
    /// Returns the stable code.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "NOT_WRITTEN",
            Self::Name(error) => error.code(),
            Self::NotACheckout { .. } => "NOT_A_CHECKOUT",
            Self::Occupied { .. } => "FOLDER_OCCUPIED",
        }
    }

    /// Returns what the author can do.
    pub(crate) fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Io { .. } => return Vec::new(),
            Self::Name(_) => "use a-z, 0-9 and single hyphens, as in weather-tools",
            Self::NotACheckout { .. } => "name the folder that holds crates/plugin-api",
            Self::Occupied { .. } => "choose another folder with --dir",
        };
        vec![hint.to_owned()]
    }
}

/// The files of a new plugin, each with its template.
const TEMPLATES: [(&str, &str); 6] = [
    (".gitignore", "/target\n"),
    ("Cargo.toml", include_str!("template/Cargo.toml.in")),
    ("README.md", include_str!("template/README.md.in")),
    ("plugin.json", include_str!("template/plugin.json.in")),
    ("src/lib.rs", include_str!("template/lib.rs.in")),
    ("tests/plugin.rs", include_str!("template/plugin.rs.in")),
];

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

/// Writes a plugin called `name` into `dir`, which must be empty or absent, and returns the files
/// written, relative to it.
///
/// # Errors
/// [`NewError::Name`], [`NewError::NotACheckout`] and [`NewError::Occupied`] before anything is
/// written; [`NewError::Io`].
pub(crate) fn scaffold(
    name: &str,
    dir: &Path,
    source: &ApiSource,
) -> Result<Vec<PathBuf>, NewError> {
    let name = PluginId::parse(name)?;
    let words = Words::new(&name, source)?;
    claim(dir)?;
    let mut written = Vec::new();
    for (file, template) in TEMPLATES {
        write_new(&dir.join(file), &words.fill(template))?;
        written.push(PathBuf::from(file));
    }
    Ok(written)
}

/// What the templates leave open.
struct Words(Vec<(&'static str, String)>);

impl Words {
    fn new(name: &PluginId, source: &ApiSource) -> Result<Self, NewError> {
        let package = package_name(name);
        Ok(Self(vec![
            ("{{api}}", api_range()),
            ("{{api-dependency}}", dependency(source, "plugin-api")?),
            ("{{crate}}", package.replace('-', "_")),
            ("{{name}}", name.to_string()),
            ("{{package}}", package.clone()),
            ("{{test-dependency}}", dependency(source, "test-support")?),
            ("{{type}}", type_name(&package)),
        ]))
    }

    fn fill(&self, template: &str) -> String {
        let fill = |text: String, (blank, word): &(&str, String)| text.replace(blank, word);
        self.0.iter().fold(template.to_owned(), fill)
    }
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

/// Returns the right-hand side of a dependency in `Cargo.toml`.
fn dependency(source: &ApiSource, folder: &str) -> Result<String, NewError> {
    let ApiSource::Checkout(checkout) = source else {
        let version = plugin_api_version();
        return Ok(format!("\"{}.{}\"", version.major, version.minor));
    };
    let not_one = |_| NewError::NotACheckout {
        path: checkout.clone(),
    };
    let found = checkout.join("crates").join(folder).canonicalize();
    let found = found.map_err(not_one)?;
    // A JSON string is a TOML basic string too.
    let quoted = serde_json::Value::from(found.to_string_lossy()).to_string();
    Ok(format!("{{ path = {quoted} }}"))
}

fn claim(dir: &Path) -> Result<(), NewError> {
    let failed = |source| NewError::Io {
        path: dir.to_owned(),
        source,
    };
    fs::create_dir_all(dir).map_err(failed)?;
    match fs::read_dir(dir).map_err(failed)?.next() {
        Some(_) => Err(NewError::Occupied {
            path: dir.to_owned(),
        }),
        None => Ok(()),
    }
}

/// Never replaces a file.
fn write_new(path: &Path, text: &str) -> Result<(), NewError> {
    let write = || {
        fs::create_dir_all(path.parent().unwrap_or(path))?;
        File::create_new(path)?.write_all(text.as_bytes())
    };
    write().map_err(|source| NewError::Io {
        path: path.to_owned(),
        source,
    })
}

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
        let words = Words::new(&id("weather-tools"), &ApiSource::Registry).unwrap();
        for (file, template) in TEMPLATES {
            let text = words.fill(template);
            assert!(
                !text.contains("{{") && !text.contains("}}"),
                "{file}:\n{text}"
            );
        }
    }
}
