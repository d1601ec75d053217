//! A shell with the environment that `cargo xtask up` says to set.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use local_stack::{Workspace, sam::local_credentials, tools::programs};

/// A command line in the root of the repository, with the installed programs first on the `PATH`.
pub(crate) fn shell(line: &str) -> Command {
    let workspace = Workspace::this();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", line]).current_dir(workspace.root()).stdin(Stdio::null());
    bash.env("PATH", format!("{}:{path}", programs(&workspace).display()));
    bash.envs(local_credentials()).env("AWS_PAGER", "").env("SAM_CLI_TELEMETRY", "0");
    // What a test run sets for its own tests is not there for a person.
    for name in ["RUST_TEST_THREADS", "LOCAL_STACK", "CARGO_TARGET_DIR"] {
        bash.env_remove(name);
    }
    bash
}

/// Runs the line to its end and returns what it printed.
pub(crate) fn run(mut shell: Command) -> Result<String> {
    let output = shell.output().context("cannot start bash")?;
    let line = shell.get_args().last().unwrap_or_default().display().to_string();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    ensure!(
        output.status.success(),
        "{line}\n{}\n{}\n{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
    Ok(text(&output.stdout))
}
