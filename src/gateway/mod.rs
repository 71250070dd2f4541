//! The way to tools: what agents may call is called from here.

pub mod mcp;
