//! `cargo xtask`: the demonstration, the local stack, the tests and the checks.

mod bench;
mod check;
mod demo;
mod mutants;
mod repository;
mod test;
mod up;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use local_stack::{Progress, Workspace};
use tokio::signal::unix::{SignalKind, signal};

/// Runs, tests and checks the application on this machine, without an AWS account.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Runs the workflows on the local stack and shows what each did.
    Demo(demo::Arguments),
    /// Starts the local stack and leaves it running until Ctrl-C.
    Up(up::Arguments),
    /// Runs all checks and tests.
    Test(test::Arguments),
    /// Checks the repository: format, lints, docs, licenses, template, state machines.
    Check,
    /// Measures how fast the functions work, and in how much memory.
    Bench(bench::Arguments),
    /// Changes `token-store` in every way that cargo-mutants knows and sees whether a test notices.
    Mutants(mutants::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    let task = run(Arguments::parse().task);
    // A cancelled task is dropped, and with it all that it started or left half-made.
    let finished = tokio::select! {
        finished = task => finished,
        interrupted = interruption() => interrupted.map(ExitCode::from),
    };
    finished.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

async fn run(task: Task) -> Result<ExitCode> {
    let workspace = Workspace::this();
    let progress = Progress::of(&workspace);
    match task {
        Task::Demo(arguments) => demo::run(&workspace, &progress, &arguments).await,
        Task::Up(arguments) => up::run(&workspace, &progress, &arguments).await,
        Task::Test(arguments) => test::run(&workspace, &progress, &arguments).await,
        Task::Check => check::run(&workspace, &progress).await,
        Task::Bench(arguments) => bench::run(&workspace, &progress, &arguments).await,
        Task::Mutants(arguments) => mutants::run(&workspace, &progress, &arguments).await,
    }
}

/// Waits for the person or the machine to end this process; the exit status is the one that shells give.
async fn interruption() -> Result<u8> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let (number, name) = tokio::select! {
        _ = interrupt.recv() => (SignalKind::interrupt(), "Ctrl-C"),
        _ = terminate.recv() => (SignalKind::terminate(), "SIGTERM"),
        _ = hang_up.recv() => (SignalKind::hangup(), "SIGHUP"),
    };
    eprintln!("{name}: cleaning up");
    Ok(128 + u8::try_from(number.as_raw_value()).unwrap_or_default())
}
