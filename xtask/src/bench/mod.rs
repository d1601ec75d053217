//! `cargo xtask bench`: how fast, and in how much memory.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on ends")]

mod document;
mod stand_in;

use std::process::ExitCode;

use anyhow::Result;
use local_stack::{Progress, Tools, Workspace, sam::Sam};

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

/// Measures the functions as local runs build them. What `sam build` makes for AWS is linked as one.
pub(crate) async fn run(
    workspace: &Workspace,
    progress: &Progress,
    arguments: &Arguments,
) -> Result<ExitCode> {
    let tools = Tools::install(workspace, progress).await?;
    Sam::new(workspace.clone(), tools).build(progress).await?;

    let passed = match arguments.what {
        What::Document => {
            let function = workspace.local().join("build/DocumentSplitterFunction/bootstrap");
            document::run(&workspace.local().join("bench"), &function, arguments.mib)
        }
    };
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
