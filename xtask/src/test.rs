//! `cargo xtask test`: everything that must hold.

mod ring;

use std::process::ExitCode;

use anyhow::Result;
use local_stack::{Progress, Stack, Tools, Workspace, stack::DESCRIPTION_VARIABLE, tools::install_aws_cli};
use tokio::process::Command;

use self::ring::{Ring, Rings};
use crate::check;

/// The module of the tests that load the machine so much that others beside them would run out of time.
const CROWDS: &str = "crowds::";
/// How many of the others run at once: they wait more than they compute.
const THREADS: &str = "16";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only the tests that need no local stack, and no checks.
    #[arg(long, conflicts_with = "e2e")]
    unit: bool,
    /// Only the tests of the local stack: the emulator's promises, the store, then the deployed workflows.
    #[arg(long)]
    e2e: bool,
    /// Passed on to the test runner, for example a module (`order::`) or a test's name.
    #[arg(last = true)]
    filter: Vec<String>,
}

pub(crate) async fn run(
    workspace: &Workspace,
    progress: &Progress,
    arguments: &Arguments,
) -> Result<ExitCode> {
    let mut rings = Rings::new(workspace, progress);
    let unit = || ("unit, model, requests", cargo_test(workspace, &[], &arguments.filter));
    if arguments.unit {
        rings.run(unit()).await?;
        return Ok(rings.summary());
    }
    if arguments.e2e {
        rings.run(emulator_against_aws(workspace, progress).await?).await?;
    } else {
        rings.checks(async || Ok(check::run(workspace, progress).await? == ExitCode::SUCCESS)).await?;
        rings.run_both([unit(), emulator_against_aws(workspace, progress).await?]).await?;
    }
    end_to_end(&mut rings, workspace, progress, &arguments.filter).await?;
    Ok(rings.summary())
}

/// What the launcher promises that the emulator does as AWS does.
async fn emulator_against_aws(workspace: &Workspace, progress: &Progress) -> Result<Ring> {
    let tools = Tools::install(workspace, progress).await?;
    let mut tests = Command::new(&tools.emulator_python);
    tests.args(["-m", "unittest", "discover", "--start-directory", "local/launcher/tests"]);
    tests.args(["--top-level-directory", "local/launcher"]).current_dir(workspace.root());
    tests.env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(("emulator against AWS", tests))
}

async fn end_to_end(
    rings: &mut Rings<'_>,
    workspace: &Workspace,
    progress: &Progress,
    filter: &[String],
) -> Result<()> {
    let (stack, ()) =
        tokio::try_join!(Stack::start(workspace, progress, None), install_aws_cli(workspace, progress))?;
    let targets =
        ["--test", "dynamodb", "--test", "it", "--test", "readme", "--test", "afterwards", "--no-run"];
    rings.compile(cargo_test(workspace, &targets, &[])).await?;

    let description = stack.save()?;
    let deployed = |test: &str, threads: &str, filter: &[String]| {
        let mut tests = cargo_test(workspace, &["--test", test], filter);
        tests.env(DESCRIPTION_VARIABLE, &description).env("RUST_TEST_THREADS", threads);
        tests
    };
    if !filter.is_empty() {
        return rings.run(("end to end", deployed("it", THREADS, filter))).await;
    }
    let mut contract = cargo_test(workspace, &["--test", "dynamodb"], &["--ignored".to_owned()]);
    contract.env("LOCAL_STACK_ENDPOINT", &stack.endpoint);
    let readme = cargo_test(workspace, &["--test", "readme"], &[]);
    rings.run_both([("contract on DynamoDB", contract), ("README's commands", readme)]).await?;
    rings.run(("crowds", deployed("it", "1", &[CROWDS.to_owned()]))).await?;
    let all_but_crowds = ["--skip".to_owned(), CROWDS.to_owned()];
    rings.run(("end to end", deployed("it", THREADS, &all_but_crowds))).await?;
    // Reads what all those tests have left behind.
    rings.run(("secrets, permissions", deployed("afterwards", "1", &[]))).await
}

/// Always of the whole workspace: a part of it has other features and would be compiled once more.
fn cargo_test(workspace: &Workspace, arguments: &[&str], filter: &[String]) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.args(["test", "--quiet", "--workspace"]).args(arguments).arg("--").args(filter);
    cargo.current_dir(workspace.root());
    cargo
}
