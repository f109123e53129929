//! A server's tools as keyway's: read one by one, never believed, called through a link that
//! outlives a restart.

mod effect;
mod header;
mod link;
mod read;
mod remote;
mod reply;

pub(crate) use link::Link;
pub use read::{KeptOut, ReadTool, ToolReading, read_tools};
pub(crate) use remote::RemoteTool;
