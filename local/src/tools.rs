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
        let (sam, cargo_lambda, emulator) = tokio::try_join!(
            python_tool(workspace, progress, "sam", "the AWS SAM CLI"),
            python_tool(workspace, progress, "cargo-lambda", "cargo-lambda with zig"),
            python_tool(workspace, progress, "emulator", "the emulator"),
        )?;
        link(
            &programs(workspace),
            &[&sam.join("bin/sam"), &cargo_lambda.join("bin/cargo-lambda"), &zig(&cargo_lambda)?],
        )?;
        Ok(Self {
            emulator_python: emulator.join("bin/python"),
            sam: sam.join("bin/sam"),
            cargo_lambda_folder: cargo_lambda.join("bin"),
        })
    }
}

/// Installs the AWS CLI, unless it is installed, where the other programs are linked that people call.
///
/// # Errors
///
/// Those of [`Tools::install`].
pub async fn install_aws_cli(workspace: &Workspace, progress: &Progress) -> Result<()> {
    let aws_cli = python_tool(workspace, progress, "aws-cli", "the AWS CLI").await?;
    link(&programs(workspace), &[&aws_cli.join("bin/aws")])
}

/// The folder with the programs that people call: `aws`, `cargo-lambda`, `sam`, `zig`.
#[must_use]
pub fn programs(workspace: &Workspace) -> PathBuf {
    workspace.tools().join("bin")
}

/// A tool from crates.io, at the version that the checks were written for.
#[derive(Debug, Clone, Copy)]
pub struct CargoTool {
    name: &'static str,
    version: &'static str,
    arguments: &'static [&'static str],
}

/// Checks licenses and sources. Built without its own git, which only downloads advisories.
pub const CARGO_DENY: CargoTool =
    CargoTool { name: "cargo-deny", version: "0.20.2", arguments: &["--no-default-features"] };
/// Changes the code and sees whether a test notices.
pub const CARGO_MUTANTS: CargoTool = CargoTool { name: "cargo-mutants", version: "27.1.0", arguments: &[] };

impl CargoTool {
    /// Installs the tool and returns its program.
    ///
    /// # Errors
    ///
    /// When crates.io is out of reach or the build fails.
    pub async fn install(self, workspace: &Workspace, progress: &Progress) -> Result<PathBuf> {
        let Self { name, version, arguments } = self;
        let folder = workspace.tools().join(format!("{name}-{version}"));
        install_once(&folder, progress, name, async |step| {
            let mut cargo = Command::new("cargo");
            // Unoptimized: compiling it takes longer than all that it ever does.
            cargo.args(["install", name, "--locked", "--debug", "--version", version]).args(arguments);
            cargo.arg("--root").arg(&folder).env("CARGO_TARGET_DIR", workspace.tools().join("build"));
            run_logged(&mut cargo, &log(workspace, name), step).await
        })
        .await?;
        Ok(folder.join("bin").join(name))
    }
}

async fn python_tool(workspace: &Workspace, progress: &Progress, name: &str, title: &str) -> Result<PathBuf> {
    let pins = workspace.root().join(format!("local/tools/{name}.txt"));
    let pinned = fs::read(&pins).with_context(|| format!("cannot read {}", pins.display()))?;
    let digest: String = Sha256::digest(&pinned).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let folder = workspace.tools().join(format!("{name}-{digest}"));

    install_once(&folder, progress, title, async |step| {
        let log = log(workspace, name);
        create_environment("python3", &folder, &log, step).await?;
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

async fn create_environment(python: &str, folder: &Path, log: &Path, step: &Step) -> Result<()> {
    let version = Command::new(python)
        .args(["-c", "import sys; sys.exit(sys.version_info < (3, 10))"])
        .status()
        .await
        .with_context(|| format!("{PYTHON} is needed, as `python3` on the PATH"))?;
    if !version.success() {
        bail!("`{python}` is older than that: {PYTHON} is needed");
    }
    let mut venv = Command::new(python);
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

/// The zig that comes with cargo-lambda, which looks for it on the `PATH`.
fn zig(cargo_lambda: &Path) -> Result<PathBuf> {
    let mut pythons = fs::read_dir(cargo_lambda.join("lib"))?;
    let python = pythons.next().context("cargo-lambda's environment has no `lib/python3.*`")??;
    Ok(python.path().join("site-packages/ziglang/zig"))
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

#[cfg(test)]
mod tests {
    use std::{future::pending, os::unix::fs::PermissionsExt, time::Duration};

    use super::*;

    #[tokio::test]
    async fn a_failed_or_cancelled_installation_leaves_no_folder() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("tool");
        let half = async |_: &Step| {
            fs::create_dir(&folder)?;
            bail!("no network")
        };
        let endless = async |_: &Step| {
            fs::create_dir(&folder)?;
            pending().await
        };

        let failed = install_once(&folder, &Progress::default(), "a tool", half).await;
        assert_eq!(failed.unwrap_err().to_string(), "no network");
        assert!(!folder.exists());

        let progress = Progress::default();
        let installation = install_once(&folder, &progress, "a tool", endless);
        assert!(tokio::time::timeout(Duration::from_millis(50), installation).await.is_err());
        assert!(!folder.exists());
    }

    #[tokio::test]
    async fn what_a_killed_installation_left_is_replaced_and_what_is_installed_is_kept() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("tool");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("half"), "").unwrap();
        let whole = async |_: &Step| Ok(fs::create_dir(&folder)?);

        install_once(&folder, &Progress::default(), "a tool", whole).await.unwrap();
        assert!(!folder.join("half").exists());

        let again = async |_: &Step| bail!("installed twice");
        install_once(&folder, &Progress::default(), "a tool", again).await.unwrap();
    }

    async fn environment_of(python: &str) -> String {
        let parent = tempfile::tempdir().unwrap();
        let step = Progress::default().step("a tool");
        let error =
            create_environment(python, &parent.path().join("tool"), &parent.path().join("log"), &step).await;
        format!("{:#}", error.unwrap_err())
    }

    fn fake_python(script: &str) -> tempfile::TempPath {
        let python = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        fs::write(&python, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
        python
    }

    #[tokio::test]
    async fn a_missing_or_old_python_or_a_missing_venv_module_is_said() {
        let old = fake_python("exit 1");
        let without_venv = fake_python("[ \"$1\" = -c ] && exit 0; echo No module named venv; exit 1");

        let missing = environment_of("no-such-python").await;
        let old = environment_of(old.to_str().unwrap()).await;
        let without_venv = environment_of(without_venv.to_str().unwrap()).await;

        assert!(missing.starts_with("Python 3.10 or newer is needed, as `python3` on the PATH"), "{missing}");
        assert!(old.ends_with("is older than that: Python 3.10 or newer is needed"), "{old}");
        assert!(
            without_venv.starts_with("Python's `venv` module does not work; on Debian and Ubuntu:"),
            "{without_venv}"
        );
        assert!(without_venv.contains("No module named venv"), "{without_venv}");
    }
}
