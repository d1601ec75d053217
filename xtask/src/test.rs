//! `cargo xtask test`: everything that must hold.

use std::process::ExitCode;

use anyhow::{Context, Result};
use local_stack::{Progress, Stack, Workspace, stack::DESCRIPTION_VARIABLE};
use tokio::process::Command;

use crate::check;

/// In the names of the tests that load the machine so much that others beside them would run out of time.
const CROWDS: &str = "fifty";
/// How many of the others run at once: they wait more than they compute.
const THREADS: &str = "4";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only the tests that need no local stack, and no checks.
    #[arg(long, conflicts_with = "e2e")]
    unit: bool,
    /// Only the tests of the local stack: the emulator's promises, the store, then the deployed workflows.
    #[arg(long)]
    e2e: bool,
    /// Passed on to the test runner, for example a test's name.
    #[arg(last = true)]
    filter: Vec<String>,
}

pub(crate) async fn run(
    workspace: &Workspace,
    progress: &Progress,
    arguments: &Arguments,
) -> Result<ExitCode> {
    let mut passed = true;
    if !arguments.unit && !arguments.e2e {
        passed &= check::run(workspace, progress).await? == ExitCode::SUCCESS;
    }
    if !arguments.e2e {
        passed &= succeeds(cargo_test(workspace, &["--quiet"], &arguments.filter)).await?;
    }
    if !arguments.unit {
        passed &= end_to_end(workspace, progress, arguments).await?;
    }
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn end_to_end(workspace: &Workspace, progress: &Progress, arguments: &Arguments) -> Result<bool> {
    let stack = Stack::start(workspace, progress, None).await?;

    let mut emulator_tests = Command::new(&stack.tools.emulator_python);
    emulator_tests.args(["-m", "unittest", "discover", "--start-directory", "local/launcher/tests"]);
    emulator_tests.args(["--top-level-directory", "local/launcher"]).current_dir(workspace.root());
    emulator_tests.env("PYTHONDONTWRITEBYTECODE", "1");
    let mut passed = succeeds(emulator_tests).await?;

    let ignored = ["--ignored".to_owned()];
    let mut contract =
        cargo_test(workspace, &["--quiet", "--package", "token-store", "--test", "dynamodb"], &ignored);
    contract.env("LOCAL_STACK_ENDPOINT", &stack.endpoint);
    passed &= succeeds(contract).await?;

    let description = stack.save()?;
    let deployed = |test: &str, threads: &str, filter: &[String]| {
        let mut tests = cargo_test(workspace, &["--quiet", "--package", "e2e", "--test", test], filter);
        tests.env(DESCRIPTION_VARIABLE, &description).env("RUST_TEST_THREADS", threads);
        tests
    };
    if arguments.filter.is_empty() {
        // Before the others leave their stacks behind.
        passed &= succeeds(deployed("it", "1", &[CROWDS.to_owned()])).await?;
        let all_but_crowds = ["--skip".to_owned(), CROWDS.to_owned()];
        passed &= succeeds(deployed("it", THREADS, &all_but_crowds)).await?;
        // Reads what all those tests have left behind.
        passed &= succeeds(deployed("no_secrets", "1", &[])).await?;
    } else {
        passed &= succeeds(deployed("it", THREADS, &arguments.filter)).await?;
    }
    Ok(passed)
}

fn cargo_test(workspace: &Workspace, arguments: &[&str], filter: &[String]) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.arg("test").args(arguments).arg("--").args(filter).current_dir(workspace.root());
    cargo
}

async fn succeeds(mut command: Command) -> Result<bool> {
    let program = command.as_std().get_program().to_owned();
    let status = command.kill_on_drop(true).status().await;
    Ok(status.with_context(|| format!("cannot start {}", program.display()))?.success())
}
