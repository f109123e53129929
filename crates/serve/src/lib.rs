#![doc = include_str!("../README.md")]

mod calls;
mod crew;
mod describe;
mod entry;
mod error;
mod inherited;
mod opening;
mod panics;
mod registered;
mod requests;
mod session;
mod writer;

pub use entry::run;

/// Writes the `main` of a plugin's executable.
///
/// ```no_run
/// use std::borrow::Cow;
/// use keyway_plugin_api::{Plugin, Register, RegisterError};
///
/// struct Notes;
/// impl Plugin for Notes {
///     fn manifest(&self) -> Cow<'static, str> {
///         r#"{ "name": "notes", "version": "0.1.0" }"#.into()
///     }
///     fn register(&self, _: &mut Register<'_>) -> Result<(), RegisterError> {
///         Ok(())
///     }
/// }
///
/// keyway_serve::main!(Notes);
/// ```
#[macro_export]
macro_rules! main {
    ($plugin:expr) => {
        fn main() -> ::std::process::ExitCode {
            $crate::run($plugin)
        }
    };
}
