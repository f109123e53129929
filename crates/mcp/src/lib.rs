#![doc = include_str!("../README.md")]

mod adapt;
mod client;
mod config;
mod error;
mod offers;
mod runtime;
mod serve;
mod span;
mod tls;
mod tools;

pub use adapt::ClosureTool;
#[cfg(feature = "rmcp-adapter")]
pub use adapt::{AdaptedTool, RmcpTools};
#[cfg(unix)]
pub use client::JailLauncher;
pub use client::{
    Answerable, Answers, Authorizer, CallOptions, CallReply, Changes, Child, Connection, Era,
    LaunchSpec, Launched, Launcher, McpClient, OAuthClient, PlainLauncher, Progress, Question,
    ServerFacts, TraceContext, TraceLink,
};
pub use config::{
    ConfigError, McpServer, Pinning, ServerFile, StdioServer, read_package, read_servers,
};
pub use error::McpError;
pub use offers::Offers;
pub use runtime::McpRuntime;
pub use serve::{
    Announcer, AskError, AskingApprover, Completions, Endpoint, HttpEndpoint, HttpOptions, LogLine,
    Refusal, ServedCall, ServedPrompts, ServedResources,
};
pub use tools::{KeptOut, ReadTool, ToolReading, read_tools};
