//! The emulator's process.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use tokio::{process::Command, time::sleep};

use crate::{
    Workspace,
    process::ProcessGroup,
    progress::Step,
    sam::{ARTIFACT_BUCKET, Sam, local_credentials},
};

/// How long the emulator may take to serve.
const START_DEADLINE: Duration = Duration::from_secs(60);

/// A running emulator. It ends, with all functions, when this is dropped; logs stay.
#[derive(Debug)]
pub struct Emulator {
    /// Held for their drop, in this order.
    _process: ProcessGroup,
    _temporary: TemporaryFolder,
    endpoint: String,
    folder: PathBuf,
}

#[derive(Debug)]
struct TemporaryFolder(PathBuf);

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("cannot remove {}: {error}", self.0.display());
        }
    }
}

impl Emulator {
    /// Starts the emulator on 127.0.0.1, on `port` or on a free one, and waits until it serves. Its logs are in a
    /// folder below `target/local` that is named after the port, or in `folder`.
    ///
    /// # Errors
    ///
    /// When the port is taken, or the emulator does not come up; the message has its last words.
    pub async fn start(
        workspace: &Workspace,
        sam: &Sam,
        port: Option<u16>,
        folder: Option<PathBuf>,
        step: &Step,
    ) -> Result<Self> {
        let port = match port {
            Some(port) => port,
            None => free_port()?,
        };
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err() {
            bail!("port {port} is taken by another process; choose another one with --port");
        }

        let folder = folder.unwrap_or_else(|| workspace.local().join(format!("emulator-{port}")));
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(folder.join("functions"))?;
        let temporary = TemporaryFolder(folder.join("tmp"));
        fs::create_dir(&temporary.0)?;
        let log = folder.join("emulator.log");
        let endpoint = format!("http://127.0.0.1:{port}");

        let output = fs::File::create(&log)?;
        let mut command = Command::new(&sam.tools().emulator_python);
        command
            .arg(workspace.root().join("local/launcher/launch.py"))
            .args(["--artifact-bucket", ARTIFACT_BUCKET, "--artifacts"])
            .arg(sam.artifacts())
            .arg("--log-dir")
            .arg(folder.join("functions"))
            .env("GATEWAY_PORT", port.to_string())
            .env("BIND_HOST", "127.0.0.1")
            .env("AWS_ENDPOINT_URL", &endpoint)
            .env("AUTH", "true")
            .env("IOT_MTLS_ENABLED", "0")
            .env("TMPDIR", &temporary.0)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .envs(local_credentials())
            // The emulator ends when this pipe closes, even if this process is killed.
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output);
        let mut process = ProcessGroup::spawn(&mut command)?;

        let deadline = Instant::now() + START_DEADLINE;
        let health = format!("{endpoint}/_ministack/health");
        while !reqwest::get(&health).await.is_ok_and(|answer| answer.status().is_success()) {
            let exited = process.child().try_wait()?;
            if exited.is_some() || Instant::now() > deadline {
                bail!("the emulator did not start:\n{}\nAll of its output: {}", tail(&log), log.display());
            }
            step.detail("waiting for it to serve");
            sleep(Duration::from_millis(100)).await;
        }
        Ok(Self { _process: process, _temporary: temporary, endpoint, folder })
    }

    /// The endpoint of all its services, `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Where each function's output is, `<function name>.log`.
    #[must_use]
    pub fn function_logs(&self) -> PathBuf {
        self.folder.join("functions")
    }
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on 127.0.0.1")?;
    Ok(listener.local_addr()?.port())
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Progress, Tools};

    #[tokio::test]
    async fn a_port_that_is_taken_is_said() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let tools = Tools {
            emulator_python: PathBuf::new(),
            sam: PathBuf::new(),
            cargo_lambda_folder: PathBuf::new(),
        };
        let step = Progress::default().step("Starting");

        let sam = Sam::new(Workspace::this(), tools);

        let started = Emulator::start(&Workspace::this(), &sam, Some(port), None, &step).await;

        let expected = format!("port {port} is taken by another process; choose another one with --port");
        assert_eq!(started.unwrap_err().to_string(), expected);
    }
}
