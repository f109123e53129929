//! Tests of MCP, with real child processes.
