//! The environment of a confined program, built from nothing.

use std::collections::BTreeMap;

/// Search path of every confined program.
pub(crate) const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Names that are the sandbox's to set.
const RESERVED: &[&str] = &["HOME", "LANG", "PATH", "PWD", "TMPDIR"];

/// Names with which loaders, interpreters and shells can be made to run or read something else.
const DANGEROUS: &[&str] = &[
    "BASHOPTS",
    "BASH_ENV",
    "CDPATH",
    "CLASSPATH",
    "ENV",
    "GCONV_PATH",
    "GETCONF_DIR",
    "GLIBC_TUNABLES",
    "HOSTALIASES",
    "IFS",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "LOCALDOMAIN",
    "LOCPATH",
    "NLSPATH",
    "OPENSSL_CONF",
    "OPENSSL_ENGINES",
    "OPENSSL_MODULES",
    "PHPRC",
    "PHP_INI_SCAN_DIR",
    "PROMPT_COMMAND",
    "PS4",
    "RES_OPTIONS",
    "SHELLOPTS",
    "SSH_ASKPASS",
    "TZDIR",
    "ZDOTDIR",
    "_JAVA_OPTIONS",
];

/// Beginnings of such names.
const DANGEROUS_PREFIXES: &[&str] = &[
    "BASH_FUNC_",
    "BUN_",
    "COMPLUS_",
    "CORECLR_",
    "DENO_",
    "DOTNET_",
    "DYLD_",
    "ELECTRON_",
    "GIT_",
    "LD_",
    "LUA_",
    "MALLOC_",
    "NODE_",
    "NPM_CONFIG_",
    "PERL",
    "PYTHON",
    "RESOLV_",
    "RUBY",
    "RUST_",
    "_RLD",
];

/// The environment of a confined program.
///
/// It begins empty. `PATH` and `LANG` are added at the start of the program, `HOME` and `TMPDIR`
/// too if it has a writable folder; nothing of the host's own environment is passed on.
///
/// ```
/// use keyway_sandbox::Environment;
///
/// let environment = Environment::new().with("REGION", "eu-1")?;
/// assert!(environment.clone().with("LD_PRELOAD", "/tmp/x.so").is_err());
/// # Ok::<(), keyway_sandbox::EnvironmentError>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<String, String>);

/// Says why a variable cannot be given to a confined program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvironmentError {
    /// The name makes loaders or interpreters run something else.
    #[error(
        "the variable {name} can make a loader or interpreter run other code; it is never handed on"
    )]
    #[non_exhaustive]
    Dangerous {
        /// The name.
        name: String,
    },
    /// The name is not one of an environment variable, or the value holds a NUL.
    #[error(
        "the variable {name:?} is not [A-Za-z_][A-Za-z0-9_]* with a value free of NUL; rename it"
    )]
    #[non_exhaustive]
    Malformed {
        /// The name.
        name: String,
    },
    /// The sandbox sets this name itself.
    #[error("the variable {name} is set by the sandbox; leave it out")]
    #[non_exhaustive]
    Reserved {
        /// The name.
        name: String,
    },
}

impl EnvironmentError {
    /// Returns the stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Dangerous { .. } => "ENVIRONMENT_DANGEROUS",
            Self::Malformed { .. } => "ENVIRONMENT_MALFORMED",
            Self::Reserved { .. } => "ENVIRONMENT_RESERVED",
        }
    }
}

impl Environment {
    /// Begins with nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a variable. The last value of a name counts.
    ///
    /// # Errors
    /// [`EnvironmentError`] for names of loaders and interpreters, names that the sandbox sets, and
    /// what is no variable at all.
    pub fn with(
        mut self,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<Self, EnvironmentError> {
        let (name, value) = (check(name.into())?, value.into());
        if value.contains('\0') {
            return Err(EnvironmentError::Malformed { name });
        }
        self.0.insert(name, value);
        Ok(self)
    }

    /// Returns the names and values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The complete environment of a program whose home is `home`.
    pub(crate) fn complete(&self, home: Option<&str>) -> BTreeMap<String, String> {
        let mut all = self.0.clone();
        all.insert("PATH".into(), PATH.into());
        all.insert("LANG".into(), "C.UTF-8".into());
        for name in ["HOME", "TMPDIR"] {
            if let Some(home) = home {
                all.insert(name.into(), home.into());
            }
        }
        all
    }
}

fn check(name: String) -> Result<String, EnvironmentError> {
    let upper = name.to_ascii_uppercase();
    let well_formed = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty();
    // A function of a shell is dangerous whatever follows its prefix.
    let dangerous = DANGEROUS.contains(&upper.as_str())
        || DANGEROUS_PREFIXES
            .iter()
            .any(|prefix| upper.starts_with(prefix));
    match () {
        () if dangerous => Err(EnvironmentError::Dangerous { name }),
        () if !well_formed => Err(EnvironmentError::Malformed { name }),
        () if RESERVED.contains(&upper.as_str()) => Err(EnvironmentError::Reserved { name }),
        () => Ok(name),
    }
}

impl std::fmt::Debug for Environment {
    /// Shows names only: values are often secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
