//! The real SAM CLI: build, deploy, validate.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use aws_credential_types::Credentials;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::process::Command;
use walkdir::WalkDir;

use crate::{Progress, Tools, Workspace, process::run_logged, progress::Step, stack::STACK_NAME};

/// What a package depends on.
const INPUTS: [&str; 9] = [
    ".cargo/config.toml",
    "Cargo.lock",
    "Cargo.toml",
    "functions",
    "local/tools/cargo-lambda.txt",
    "rust-toolchain.toml",
    "shared",
    "statemachines",
    "template.yaml",
];
/// The region that the emulator is asked to be.
pub(crate) const REGION: &str = "us-east-1";
/// Access key and secret of the root of the emulator's account.
const KEY: &str = "test";
/// The bucket that is uploaded to, as `samconfig.toml` names it for local runs.
pub(crate) const ARTIFACT_BUCKET: &str = "sfn-callbacks-artifacts";

/// Compiles functions, tools and what they share, as `cargo build` does.
///
/// # Errors
///
/// When something does not compile; the message has the compiler's last lines.
pub(crate) async fn compile(workspace: &Workspace, progress: &Progress) -> Result<()> {
    let step = progress.step("Compiling the functions");
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--workspace"]).current_dir(workspace.root());
    run_logged(&mut cargo, &workspace.local().join("logs/compile.log"), &step).await?;
    step.done();
    Ok(())
}

/// The SAM CLI, pointed at the emulator or at nothing, never at AWS.
#[derive(Debug, Clone)]
pub struct Sam {
    workspace: Workspace,
    tools: Tools,
}

impl Sam {
    /// Uses the installed SAM CLI for `workspace`.
    #[must_use]
    pub fn new(workspace: Workspace, tools: Tools) -> Self {
        Self { workspace, tools }
    }

    pub(crate) fn tools(&self) -> &Tools {
        &self.tools
    }

    /// The template as `sam package` leaves it.
    pub(crate) fn packaged_template(&self) -> PathBuf {
        self.workspace.local().join("build/packaged.yaml")
    }

    /// What `sam package` has uploaded, kept for emulators to come.
    pub(crate) fn artifacts(&self) -> PathBuf {
        self.workspace.local().join("artifacts")
    }

    /// Puts what [`compile`] has made where [`Sam::package`] takes it from, by the real `sam build`.
    ///
    /// The functions are those of the development profile: the same code, not the smallest binary. They have the
    /// features and the target of `cargo build --workspace`, so nothing is compiled again.
    ///
    /// # Errors
    ///
    /// When the build fails; the message has the compiler's last lines.
    async fn build(&self, progress: &Progress) -> Result<()> {
        let step = progress.step("Building with sam build");
        let mut sam = self.command();
        sam.args(["build", "--build-dir"])
            .arg(self.workspace.local().join("build"))
            .env("SAM_BUILD_MODE", "debug")
            .env("CARGO_LAMBDA_COMPILER", "cargo")
            // Instead of the repository's own, which is for AWS.
            .env("CARGO_LAMBDA_GLOBAL", "/dev/null")
            .env("CARGO_LAMBDA_COMPILER_EXTRA_ARGS", "--workspace")
            .arg("--parameter-overrides")
            .arg(architecture());
        run_logged(&mut sam, &self.log("sam-build"), &step).await.context("sam build failed")?;
        step.done();
        Ok(())
    }

    /// Builds and packs all functions, unless nothing that they depend on has changed since the last time.
    ///
    /// # Errors
    ///
    /// When the build fails or the emulator does not take the packages.
    pub(crate) async fn package(&self, endpoint: &str, progress: &Progress) -> Result<()> {
        let fingerprint = self.fingerprint()?;
        let marker = self.workspace.local().join("package.fingerprint");
        if self.packaged_template().exists()
            && fs::read_to_string(&marker).is_ok_and(|packaged| packaged == fingerprint)
        {
            return Ok(());
        }
        self.build(progress).await?;

        let step = progress.step("Packing with sam package");
        if marker.exists() {
            fs::remove_file(&marker)?;
        }
        let mut sam = self.command();
        sam.args(["package", "--s3-bucket", ARTIFACT_BUCKET, "--template-file"])
            .arg(self.workspace.local().join("build/template.yaml"))
            .arg("--output-template-file")
            .arg(self.packaged_template())
            .env("AWS_ENDPOINT_URL", endpoint);
        run_logged(&mut sam, &self.log("sam-package"), &step).await.context("sam package failed")?;
        self.remove_old_artifacts()?;
        fs::write(marker, fingerprint)?;
        step.done();
        Ok(())
    }

    /// Removes what the packaged template does not name any more. What it names may be from an earlier time: the SAM CLI
    /// uploads nothing that is there.
    fn remove_old_artifacts(&self) -> Result<()> {
        let template = fs::read_to_string(self.packaged_template())?;
        for entry in fs::read_dir(self.artifacts())? {
            let entry = entry?;
            if !template.contains(&*entry.file_name().to_string_lossy()) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// Waits until no other process packs in this workspace, and keeps others waiting until the file is closed. An
    /// emulator that starts meanwhile would begin with half of the packages.
    pub(crate) async fn only_one_packs(&self) -> Result<fs::File> {
        let path = self.workspace.local().join("package.lock");
        let lock = move || -> io::Result<fs::File> {
            let file = fs::File::create(path)?;
            file.lock()?;
            Ok(file)
        };
        tokio::task::spawn_blocking(lock).await?.context("cannot lock target/local/package.lock")
    }

    /// Deploys the packaged template, or a changed copy of it, to the emulator and returns the stack's outputs.
    ///
    /// `parameters` are `Name=value`; the template's defaults stand for the others. `name` tells deployments apart in
    /// logs and messages: each emulator has one stack, of the same name.
    ///
    /// # Errors
    ///
    /// When the deployment fails; the message has the failed resources.
    pub(crate) async fn deploy(
        &self,
        endpoint: &str,
        name: &str,
        template: &Path,
        parameters: &[&str],
        step: &Step,
    ) -> Result<BTreeMap<String, String>> {
        let mut sam = self.command();
        sam.args(["deploy", "--config-env", "local", "--stack-name", STACK_NAME, "--template-file"])
            .arg(template)
            .arg("--config-file")
            .arg(self.workspace.root().join("samconfig.toml"))
            .env("AWS_ENDPOINT_URL", endpoint);
        let public_base_url = format!("PublicBaseUrl={}", public_base_url(endpoint));
        sam.arg("--parameter-overrides").arg(public_base_url).args(parameters);
        run_logged(&mut sam, &self.log(&format!("sam-deploy-{name}")), step)
            .await
            .with_context(|| format!("sam deploy of {name} failed"))?;
        self.outputs(endpoint).await
    }

    /// Checks the template: `sam validate --lint`.
    ///
    /// # Errors
    ///
    /// When the template is not valid; the message says why.
    pub async fn validate(&self, step: &Step) -> Result<()> {
        let mut sam = self.command();
        sam.args(["validate", "--lint"]);
        run_logged(&mut sam, &self.log("sam-validate"), step).await.context("template.yaml is not valid")
    }

    async fn outputs(&self, endpoint: &str) -> Result<BTreeMap<String, String>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Output {
            output_key: String,
            output_value: String,
        }

        let listed = self
            .command()
            .args(["list", "stack-outputs", "--output", "json", "--stack-name", STACK_NAME])
            .env("AWS_ENDPOINT_URL", endpoint)
            .kill_on_drop(true)
            .output()
            .await?;
        if !listed.status.success() {
            bail!("sam list stack-outputs failed: {}", String::from_utf8_lossy(&listed.stderr));
        }
        let outputs: Vec<Output> =
            serde_json::from_slice(&listed.stdout).context("sam list stack-outputs did not print JSON")?;
        Ok(outputs.into_iter().map(|output| (output.output_key, output.output_value)).collect())
    }

    fn command(&self) -> Command {
        let mut sam = Command::new(&self.tools.sam);
        sam.current_dir(self.workspace.root());
        sam.env("PATH", path_with(&self.tools.cargo_lambda_folder)).env("SAM_CLI_TELEMETRY", "0");
        for (name, value) in local_credentials() {
            sam.env(name, value);
        }
        for name in ["AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN"] {
            sam.env_remove(name);
        }
        sam
    }

    fn log(&self, name: &str) -> PathBuf {
        self.workspace.local().join(format!("logs/{name}.log"))
    }

    fn fingerprint(&self) -> Result<String> {
        let mut digest = Sha256::new();
        for input in INPUTS {
            for entry in WalkDir::new(self.workspace.root().join(input)).sort_by_file_name() {
                let entry = entry?;
                if entry.file_type().is_file() {
                    digest.update(entry.path().as_os_str().as_encoded_bytes());
                    digest.update(fs::read(entry.path())?);
                }
            }
        }
        Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

/// Credentials that only the emulator takes: they make the caller the root of its account. No profile of the person
/// is read, so nothing here can reach AWS.
#[must_use]
pub fn local_credentials() -> [(&'static str, &'static str); 6] {
    [
        ("AWS_ACCESS_KEY_ID", KEY),
        ("AWS_SECRET_ACCESS_KEY", KEY),
        ("AWS_DEFAULT_REGION", REGION),
        ("AWS_REGION", REGION),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
    ]
}

/// The same credentials for SDK clients and signatures.
pub(crate) fn root() -> Credentials {
    Credentials::new(KEY, KEY, None, None, "local stack")
}

/// Where the emulator's front door forwards to the functions with an open URL.
pub(crate) fn public_base_url(endpoint: &str) -> String {
    format!("{endpoint}/_local/urls/{STACK_NAME}")
}

/// The functions run on this machine, so they are built for it.
fn architecture() -> String {
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
    format!("Architecture={architecture}")
}

fn path_with(folder: &Path) -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(folder.to_owned()).chain(env::split_paths(&path));
    env::join_paths(folders).unwrap_or(path)
}
