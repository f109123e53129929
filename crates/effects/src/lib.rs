#![doc = include_str!("../README.md")]

mod bundle;
pub mod files;
#[cfg(feature = "http")]
pub mod http;
mod limits;
pub mod log;
mod private;
pub mod secrets;
pub mod state;

pub use bundle::{Effects, EffectsBuilder, SetupError};
pub use limits::EffectLimits;
