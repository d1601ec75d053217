//! `cargo xtask mutants`: are the tests of the rendezvous worth something?

use std::process::ExitCode;

use anyhow::{Context, Result};
use local_stack::{Progress, Workspace, tools::CARGO_MUTANTS};
use tokio::process::Command;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Passed on to cargo-mutants, for example `--file shared/token-store/src/wait.rs`.
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// Takes long: every mutant is built and tested.
pub(crate) async fn run(
    workspace: &Workspace,
    progress: &Progress,
    arguments: &Arguments,
) -> Result<ExitCode> {
    let program = CARGO_MUTANTS.install(workspace, progress).await?;
    let mut mutants = Command::new(program);
    mutants.args(["mutants", "--package", "token-store", "--output"]).arg(workspace.local());
    mutants.args(&arguments.arguments).current_dir(workspace.root()).kill_on_drop(true);
    let status = mutants.status().await.context("cannot start cargo-mutants")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
