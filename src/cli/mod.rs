//! The command line: each file is one family of commands.

pub mod token;
