#![doc = include_str!("../README.md")]

pub mod approval;
pub mod audit;
mod builder;
pub mod caller;
pub mod catalog;
pub mod clock;
pub mod digest;
pub mod effects;
mod engine;
pub mod explain;
pub mod file_lock;
pub mod gate;
pub mod hooks;
mod host;
mod invoke;
pub mod lifecycle;
pub mod limits;
pub mod model;
pub mod notice;
pub mod operator;
pub mod package;
mod panics;
mod parking;
pub mod progress;
pub mod rank;
pub mod registry;
pub mod runtime;
pub mod schema;
pub mod scope;
mod services;
mod shared;
pub mod store;
pub mod text;
mod time;
pub mod view;

pub use builder::{AUDIT_FILE, BuildError, HostBuilder};
pub use host::{
    Host, HostError, OperationReport, PluginOutcome, PluginStatus, ReloadMode, StartReport,
};
pub use invoke::{CallError, Outcome};
