//! The `gatewright` binary.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    gatewright::cli::run().await
}
