//! `milestoned demo`.

use std::process::ExitCode;

use clap::Args;

/// Options of the demo.
#[derive(Debug, Clone, Args)]
pub struct Options {}

/// Plays the demo.
///
/// # Errors
/// What could not be started.
pub async fn run(_: Options, _: bool) -> anyhow::Result<ExitCode> {
    Ok(ExitCode::SUCCESS)
}
