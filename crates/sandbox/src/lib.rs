#![doc = include_str!("../README.md")]

mod ended;
mod environment;
mod error;
mod jail;
mod level;
mod limits;
mod probe;
mod program;

#[cfg(unix)]
mod confined;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(all(unix, any(test, not(target_os = "linux"))))]
mod portable;

#[cfg(unix)]
pub use confined::Confined;
pub use ended::{Ended, Limit};
pub use environment::{Environment, EnvironmentError};
pub use error::SpawnError;
#[cfg(unix)]
pub use jail::Handover;
pub use jail::Jail;
pub use level::{Level, Mechanism, Missing, Reached};
pub use limits::Limits;
pub use probe::Probe;
pub use program::{Program, ProgramError};
