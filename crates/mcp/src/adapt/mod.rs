//! Brings tools that exist already into a host.

mod closure;
#[cfg(feature = "rmcp-adapter")]
mod rmcp_service;

pub use closure::ClosureTool;
#[cfg(feature = "rmcp-adapter")]
pub use rmcp_service::{AdaptedTool, RmcpTools};
