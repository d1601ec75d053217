//! `cargo xtask bench`: how fast, and in how much memory.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on ends")]

mod document;
mod stand_in;

use std::{env, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use local_stack::{Progress, Workspace, process::run_logged};
use tokio::process::Command;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What to measure.
    #[arg(value_enum)]
    what: What,
    /// How large a text is split and processed, in MiB.
    #[arg(long, default_value_t = 1_024)]
    mib: usize,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum What {
    /// Splitting and processing a document, beside `split` and `wc`.
    Document,
}

/// Measures the functions as `sam build` makes them for AWS, which takes minutes to compile.
pub(crate) async fn run(
    workspace: &Workspace,
    progress: &Progress,
    arguments: &Arguments,
) -> Result<ExitCode> {
    let passed = match arguments.what {
        What::Document => {
            let function = released(workspace, progress, "document-splitter").await?;
            document::run(&workspace.local().join("bench"), &function, arguments.mib)
        }
    };
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Builds a function by the release profile and returns its program.
async fn released(workspace: &Workspace, progress: &Progress, function: &str) -> Result<PathBuf> {
    let step = progress.step(format!("Compiling {function} by the release profile"));
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--package", function]).current_dir(workspace.root());
    run_logged(&mut cargo, &workspace.local().join("logs/compile-release.log"), &step).await?;
    step.done();
    // Beside the folder of the profile that made this program.
    let this = env::current_exe()?;
    let profiles = this.ancestors().nth(2).context("a program lies in its profile's folder")?;
    Ok(profiles.join("release").join(function))
}
