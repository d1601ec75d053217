//! The whole: tools, build, emulator, deployment.

use std::{collections::BTreeMap, env, fs, ops::Deref, path::PathBuf};

use anyhow::{Context, Result};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use serde::{Deserialize, Serialize};

use crate::{
    LogLine, Progress, Tools, Workspace,
    emulator::Emulator,
    functions::read_log,
    sam::{Sam, public_base_url},
};

/// The name under which the application is deployed.
pub const STACK_NAME: &str = "sfn-callbacks";
/// Parameters of the local stack: waits that people and tests can sit out.
const PARAMETERS: [&str; 16] = [
    "OrderTimeoutSeconds=120",
    "HeartbeatSeconds=30",
    "BakeSeconds=8",
    "OrderVisibilitySeconds=10",
    "ReconcileAfterSeconds=2",
    "ValuationTimeoutSeconds=12",
    "ValuationLateSeconds=16",
    "SigningKeysRefreshSeconds=1",
    "JobTimeoutSeconds=30",
    "CustomerSilenceSeconds=20",
    "CustomerTimeoutSeconds=60",
    "BaristaSilenceSeconds=20",
    "BaristaTimeoutSeconds=60",
    "ShopCapacity=200",
    "DocumentTimeoutSeconds=60",
    "ChunkBytes=16384",
];
/// Where a test finds the description of the running stack.
pub const DESCRIPTION_VARIABLE: &str = "LOCAL_STACK";

/// A running stack. It ends when this is dropped.
#[derive(Debug)]
pub struct Stack {
    description: StackDescription,
    _emulator: Emulator,
}

/// What one must know of a running stack to use it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StackDescription {
    /// The endpoint of all AWS services, `http://127.0.0.1:<port>`.
    pub endpoint: String,
    /// Name of the deployed stack.
    pub stack_name: String,
    /// The outputs of the template.
    pub outputs: BTreeMap<String, String>,
    /// Where each function's output is, `<function name>.log`.
    pub function_logs: PathBuf,
    /// The installed tools, for tests that deploy once more.
    pub tools: Tools,
}

impl Stack {
    /// Installs, builds, starts and deploys; what is done already is not done again.
    ///
    /// # Errors
    ///
    /// When one of these fails. Nothing that was started runs on.
    pub async fn start(workspace: &Workspace, progress: &Progress, port: Option<u16>) -> Result<Self> {
        let tools = Tools::install(workspace, progress).await?;
        let sam = Sam::new(workspace.clone(), tools.clone());
        sam.build(progress).await?;

        let step = progress.step("Starting the emulator");
        let emulator = Emulator::start(workspace, &tools, port, &step).await?;
        step.done();

        let step = progress.step("Deploying with sam deploy");
        let outputs =
            sam.deploy(emulator.endpoint(), STACK_NAME, &sam.built_template(), &PARAMETERS, &step).await?;
        step.done();

        let description = StackDescription {
            endpoint: emulator.endpoint().to_owned(),
            stack_name: STACK_NAME.to_owned(),
            outputs,
            function_logs: emulator.function_logs(),
            tools,
        };
        Ok(Self { description, _emulator: emulator })
    }
}

impl Deref for Stack {
    type Target = StackDescription;

    fn deref(&self) -> &StackDescription {
        &self.description
    }
}

impl StackDescription {
    /// The stack that `cargo xtask test` started for this test run.
    ///
    /// # Errors
    ///
    /// When the test was started in another way, so that no stack runs.
    pub fn of_this_test_run() -> Result<Self> {
        let path = env::var_os(DESCRIPTION_VARIABLE)
            .context("this test needs the local stack: run `cargo xtask test --e2e`")?;
        serde_json::from_slice(&fs::read(&path)?)
            .context("the description of the local stack is not readable")
    }

    /// Writes the description for [`StackDescription::of_this_test_run`] and returns where.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn save(&self) -> Result<PathBuf> {
        let path = self.function_logs.with_file_name("stack.json");
        fs::write(&path, serde_json::to_vec_pretty(self)?)?;
        Ok(path)
    }

    /// An output of the template.
    ///
    /// # Errors
    ///
    /// When the template has no such output.
    pub fn output(&self, name: &str) -> Result<&str> {
        let value = self.outputs.get(name).with_context(|| format!("template.yaml has no output {name}"))?;
        Ok(value)
    }

    /// Where a function with an open URL is reached, `<kebab-case name>` being its folder.
    #[must_use]
    pub fn public_url(&self, function: &str) -> String {
        format!("{}/{function}/", public_base_url(&self.endpoint, &self.stack_name))
    }

    /// The template as `sam build` left it.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn built_template(&self) -> Result<String> {
        let path = self.sam().built_template();
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    /// Deploys a changed copy of the built template as a stack of its own, with `parameters` (`Name=value`).
    ///
    /// # Errors
    ///
    /// When the deployment fails.
    pub async fn deploy_copy(&self, stack_name: &str, template: &str, parameters: &[&str]) -> Result<Self> {
        let sam = self.sam();
        // Beside the original, whose paths are relative.
        let path = sam.built_template().with_file_name(format!("{stack_name}.yaml"));
        fs::write(&path, template)?;
        let step = Progress::default().step(format!("Deploying {stack_name}"));
        let outputs = sam.deploy(&self.endpoint, stack_name, &path, parameters, &step).await?;
        step.done();
        Ok(Self { stack_name: stack_name.to_owned(), outputs, ..self.clone() })
    }

    fn sam(&self) -> Sam {
        Sam::new(Workspace::this(), self.tools.clone())
    }

    /// Configuration for SDK clients, as the root of the emulator's account.
    pub async fn sdk_config(&self) -> SdkConfig {
        aws_config::defaults(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "local stack"))
            .endpoint_url(&self.endpoint)
            .load()
            .await
    }

    /// The JSON lines that a function has logged so far; `output` is the template output with its name.
    ///
    /// # Errors
    ///
    /// When there is no such output or the log cannot be read.
    pub fn log(&self, output: &str) -> Result<Vec<LogLine>> {
        read_log(&self.function_logs, self.output(output)?)
    }
}
