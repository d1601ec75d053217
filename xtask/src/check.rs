//! `cargo xtask check`: format, lints, docs, licenses, template, and the repository's own rules.

use std::{collections::BTreeSet, process::ExitCode};

use anyhow::{Result, ensure};
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
    report("features of builds and tests", features(workspace).await);
    report("format", cargo(workspace, progress, "fmt", &["fmt", "--all", "--check"]).await);
    report(
        "lints",
        cargo(
            workspace,
            progress,
            "clippy",
            // By name those of `e2e`, which `--all-targets` leaves out because a plain `cargo test` must.
            &[
                "clippy",
                "--workspace",
                "--lib",
                "--bins",
                "--examples",
                "--tests",
                "--test",
                "it",
                "--test",
                "readme",
                "--test",
                "afterwards",
                "--",
                "-D",
                "warnings",
            ],
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

/// Whether a build and a test of the workspace ask for the same features of what it shares. Else everything that
/// depends on the difference is compiled twice.
async fn features(workspace: &Workspace) -> Result<()> {
    let build = resolved(workspace, "normal,build").await?;
    let test = resolved(workspace, "normal,build,dev").await?;
    let of_build_only: Vec<_> = build.difference(&test).map(String::as_str).collect();
    ensure!(
        of_build_only.is_empty(),
        "tests ask for other features than builds, so these are compiled twice; see e2e/Cargo.toml:\n{}",
        of_build_only.join("\n")
    );
    Ok(())
}

/// Every crate that the workspace depends on in this way, with its features.
async fn resolved(workspace: &Workspace, edges: &str) -> Result<BTreeSet<String>> {
    let mut tree = Command::new("cargo");
    tree.args(["tree", "--workspace", "--prefix", "none", "--format", "{p} {f}", "--edges", edges]);
    let output = tree.current_dir(workspace.root()).output().await?;
    ensure!(output.status.success(), "cargo tree failed: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    Ok(text.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect())
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
