//! The pinned tools, installed below `target/tools`.
//!
//! A tool's folder is named after its pins, so another pin is another folder. It counts once its marker is written;
//! whatever is there without the marker is left from an installation that was cut off, and is removed.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::process::Command;

use crate::{Progress, Workspace, process::run_logged, progress::Step};

/// What a Python must be to run the tools.
const PYTHON: &str = "Python 3.10 or newer";
/// Written last into a tool's folder.
const MARKER: &str = ".installed";

/// The installed tools.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Tools {
    /// Interpreter of the emulator's environment.
    pub emulator_python: PathBuf,
    /// The AWS SAM CLI.
    pub sam: PathBuf,
    /// Folder of `cargo-lambda`, for `PATH`.
    pub cargo_lambda_folder: PathBuf,
}

impl Tools {
    /// Installs what is not installed yet.
    ///
    /// # Errors
    ///
    /// When Python or its `venv` module is missing, or a package cannot be had. No half-made folder stays.
    pub async fn install(workspace: &Workspace, progress: &Progress) -> Result<Self> {
        let sam = python_tool(workspace, progress, "sam", "the AWS SAM CLI").await?;
        let cargo_lambda = python_tool(workspace, progress, "cargo-lambda", "cargo-lambda with zig").await?;
        let emulator = python_tool(workspace, progress, "emulator", "the emulator").await?;
        link(
            &workspace.tools().join("bin"),
            &[&sam.join("bin/sam"), &cargo_lambda.join("bin/cargo-lambda")],
        )?;
        Ok(Self {
            emulator_python: emulator.join("bin/python"),
            sam: sam.join("bin/sam"),
            cargo_lambda_folder: cargo_lambda.join("bin"),
        })
    }
}

/// Installs `cargo-deny` from crates.io and returns its program.
///
/// # Errors
///
/// When crates.io is out of reach or the build fails.
pub async fn cargo_deny(workspace: &Workspace, progress: &Progress) -> Result<PathBuf> {
    const VERSION: &str = "0.20.2";
    let folder = workspace.tools().join(format!("cargo-deny-{VERSION}"));
    install_once(&folder, progress, "cargo-deny", async |step| {
        let mut cargo = Command::new("cargo");
        cargo.args([
            "install",
            "cargo-deny",
            "--locked",
            "--no-default-features",
            "--version",
            VERSION,
            "--root",
        ]);
        cargo.arg(&folder).env("CARGO_TARGET_DIR", workspace.tools().join("build"));
        run_logged(&mut cargo, &log(workspace, "cargo-deny"), step).await
    })
    .await?;
    Ok(folder.join("bin/cargo-deny"))
}

async fn python_tool(workspace: &Workspace, progress: &Progress, name: &str, title: &str) -> Result<PathBuf> {
    let pins = workspace.root().join(format!("local/tools/{name}.txt"));
    let pinned = fs::read(&pins).with_context(|| format!("cannot read {}", pins.display()))?;
    let digest: String = Sha256::digest(&pinned).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let folder = workspace.tools().join(format!("{name}-{digest}"));

    install_once(&folder, progress, title, async |step| {
        let log = log(workspace, name);
        create_environment(&folder, &log, step).await?;
        let mut pip = Command::new(folder.join("bin/python"));
        pip.args([
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "--require-hashes",
            "--no-deps",
            "--requirement",
        ]);
        run_logged(pip.arg(&pins), &log, step)
            .await
            .with_context(|| format!("cannot install {title} from PyPI; is the network there?"))
    })
    .await?;
    Ok(folder)
}

async fn create_environment(folder: &Path, log: &Path, step: &Step) -> Result<()> {
    let python = Command::new("python3")
        .args(["-c", "import sys; sys.exit(sys.version_info < (3, 10))"])
        .status()
        .await
        .with_context(|| format!("{PYTHON} is needed, as `python3` on the PATH"))?;
    if !python.success() {
        bail!("`python3` is older than that; {PYTHON} is needed");
    }
    let mut venv = Command::new("python3");
    run_logged(venv.args(["-m", "venv", "--clear"]).arg(folder), log, step)
        .await
        .context("Python's `venv` module does not work; on Debian and Ubuntu: apt install python3-venv")
}

/// Runs `install` unless the folder's marker is there. A failed or cancelled installation removes the folder.
async fn install_once(
    folder: &Path,
    progress: &Progress,
    title: &str,
    install: impl AsyncFnOnce(&Step) -> Result<()>,
) -> Result<()> {
    if folder.join(MARKER).exists() {
        return Ok(());
    }
    remove_folder(folder)?;
    let step = progress.step(format!("Installing {title}"));
    let half_made = HalfMade(folder);
    install(&step).await?;
    fs::write(folder.join(MARKER), "")?;
    std::mem::forget(half_made);
    step.done();
    Ok(())
}

struct HalfMade<'a>(&'a Path);

impl Drop for HalfMade<'_> {
    fn drop(&mut self) {
        if let Err(error) = remove_folder(self.0) {
            eprintln!("cannot remove {}: {error}", self.0.display());
        }
    }
}

fn remove_folder(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Links the programs that people call into one folder.
fn link(folder: &Path, programs: &[&Path]) -> Result<()> {
    fs::create_dir_all(folder)?;
    for program in programs {
        let link = folder.join(program.file_name().expect("a program has a name"));
        match fs::remove_file(&link) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => std::os::unix::fs::symlink(program, &link)?,
        }
    }
    Ok(())
}

fn log(workspace: &Workspace, name: &str) -> PathBuf {
    workspace.local().join(format!("logs/install-{name}.log"))
}
