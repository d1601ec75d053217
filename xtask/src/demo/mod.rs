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

    let json = arguments.json;
    let wanted = |workflow| arguments.workflows.is_empty() || arguments.workflows.contains(&workflow);
    // All at once: most of the time they wait. Each prints what it did when it is done.
    let as_expected = tokio::try_join!(
        async { anyhow::Ok(!wanted(Workflow::Pizza) || pizza::run(&stack, progress, json).await?) },
        async { anyhow::Ok(!wanted(Workflow::Valuation) || valuation::run(&stack, progress, json).await?) },
        async { anyhow::Ok(!wanted(Workflow::Job) || job::run(&stack, progress, json).await?) },
        async { anyhow::Ok(!wanted(Workflow::Order) || order::run(&stack, progress, json).await?) },
        async {
            anyhow::Ok(!wanted(Workflow::Document) || document::run(&stack, workspace, progress, json).await?)
        },
    );
    let all: [bool; 5] = <[bool; 5]>::from(as_expected?);
    Ok(if all.contains(&false) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
