#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod child;
mod error;
mod options;
mod program;
mod runtime;
pub mod supervisor;

pub use error::ProcessError;
pub use options::{ProcessOptions, StopTimes};
pub use program::ProgramError;
pub use runtime::ProcessRuntime;
