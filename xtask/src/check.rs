//! `cargo xtask check`: format, lints, docs, licenses, template, and the repository's own rules.

use std::process::ExitCode;

use anyhow::Result;
use local_stack::{
    Progress, Tools, Workspace, process::run_logged, progress::Step, sam::Sam, tools::CARGO_DENY,
};
use tokio::process::Command;

/// Runs all checks and says which failed; one that fails does not hide the next.
pub(crate) async fn run(workspace: &Workspace, progress: &Progress) -> Result<ExitCode> {
    let tools = Tools::install(workspace, progress).await?;
    let cargo_deny = CARGO_DENY.install(workspace, progress).await?;

    let mut failed = Vec::new();
    let mut report = |name, result: Result<()>| {
        if let Err(error) = result {
            progress.say(&format!("{name}: {error:#}"));
            failed.push(name);
        }
    };
    report("rules of this repository", crate::repository::check(workspace.root()));
    report("format", cargo(workspace, progress, "fmt", &["fmt", "--all", "--check"]).await);
    report(
        "lints",
        cargo(
            workspace,
            progress,
            "clippy",
            &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"],
        )
        .await,
    );
    report(
        "docs",
        cargo(workspace, progress, "doc", &["doc", "--workspace", "--no-deps", "--document-private-items"])
            .await,
    );
    report("licenses and sources", {
        let step = progress.step("cargo deny");
        let mut deny = Command::new(&cargo_deny);
        // Advisories need a database from GitHub: run `cargo deny check advisories` where that is reachable.
        deny.args(["check", "bans", "licenses", "sources"]).current_dir(workspace.root());
        finish(run_logged(&mut deny, &log(workspace, "deny"), &step).await, step)
    });
    report("template", {
        let step = progress.step("sam validate --lint");
        finish(Sam::new(workspace.clone(), tools).validate(&step).await, step)
    });

    if failed.is_empty() {
        progress.say("all checks passed");
        return Ok(ExitCode::SUCCESS);
    }
    progress.say(&format!("checks failed: {}", failed.join(", ")));
    Ok(ExitCode::FAILURE)
}

async fn cargo(workspace: &Workspace, progress: &Progress, name: &str, arguments: &[&str]) -> Result<()> {
    let step = progress.step(format!("cargo {name}"));
    let mut cargo = Command::new("cargo");
    cargo.args(arguments).current_dir(workspace.root()).env("RUSTDOCFLAGS", "-D warnings");
    finish(run_logged(&mut cargo, &log(workspace, name), &step).await, step)
}

fn finish(result: Result<()>, step: Step) -> Result<()> {
    if result.is_ok() {
        step.done();
    }
    result
}

fn log(workspace: &Workspace, name: &str) -> std::path::PathBuf {
    workspace.local().join(format!("logs/check-{name}.log"))
}
