//! `cargo xtask demo`: runs the workflows on the local stack and shows what each did.

mod document;
mod job;
mod order;
mod pizza;
mod prices;
mod valuation;

use std::process::ExitCode;

use anyhow::Result;
use local_stack::{Progress, Stack, Workspace};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What to run; everything when nothing is named.
    #[arg(value_enum)]
    workflows: Vec<Workflow>,
    /// Prints one JSON object for each execution instead of tables.
    #[arg(long)]
    json: bool,
    /// Port of the emulator on 127.0.0.1; a free one when it is not given.
    #[arg(long)]
    port: Option<u16>,
}

#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
enum Workflow {
    /// Polling versus callback, over SQS.
    Pizza,
    /// A third party that calls a webhook.
    Valuation,
    /// A service that tells the end of its job by an event.
    Job,
    /// People: a customer and a barista, by HTTP.
    Order,
    /// A document whose chunks are processed all at once.
    Document,
}

pub(crate) async fn run(
    workspace: &Workspace,
    progress: &Progress,
    arguments: &Arguments,
) -> Result<ExitCode> {
    let stack = Stack::start(workspace, progress, arguments.port).await?;

    let mut as_expected = true;
    let wanted = |workflow| arguments.workflows.is_empty() || arguments.workflows.contains(&workflow);
    if wanted(Workflow::Pizza) {
        as_expected &= pizza::run(&stack, progress, arguments.json).await?;
    }
    if wanted(Workflow::Valuation) {
        as_expected &= valuation::run(&stack, progress, arguments.json).await?;
    }
    if wanted(Workflow::Job) {
        as_expected &= job::run(&stack, progress, arguments.json).await?;
    }
    if wanted(Workflow::Order) {
        as_expected &= order::run(&stack, progress, arguments.json).await?;
    }
    if wanted(Workflow::Document) {
        as_expected &= document::run(&stack, workspace, progress, arguments.json).await?;
    }
    Ok(if as_expected { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
