//! The whole: tools, build, emulator, deployment.

use std::{
    collections::BTreeMap,
    env, fs,
    ops::Deref,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::{
    LogLine, Progress, Tools, Workspace,
    emulator::Emulator,
    functions::read_log,
    sam::{REGION, Sam, compile, public_base_url, root},
};

/// The name under which the application is deployed, on each emulator once.
pub const STACK_NAME: &str = "sfn-callbacks";
/// Parameters of the local stack: waits that people and tests can sit out.
const PARAMETERS: [&str; 17] = [
    "OrderTimeoutSeconds=120",
    "HeartbeatSeconds=30",
    "BakeSeconds=8",
    "OrderVisibilitySeconds=10",
    "ReconcileAfterSeconds=2",
    "ValuationTimeoutSeconds=20",
    "ValuationLateSeconds=26",
    "SigningKeysRefreshSeconds=1",
    "JobTimeoutSeconds=30",
    "CustomerSilenceSeconds=20",
    "CustomerTimeoutSeconds=60",
    "BaristaSilenceSeconds=20",
    "BaristaTimeoutSeconds=60",
    "ShopCapacity=200",
    "DocumentTimeoutSeconds=60",
    "ChunkBytes=16384",
    "ChunkTimeoutSeconds=10",
];
/// How many copies are deployed at once. More would slow down tests that wait beside them for what has a deadline.
static COPIES_AT_ONCE: Semaphore = Semaphore::const_new(2);
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
    /// The outputs of the template.
    pub outputs: BTreeMap<String, String>,
    /// Where each function's output is, `<function name>.log`.
    pub function_logs: PathBuf,
    /// The installed tools, for tests that deploy once more.
    pub tools: Tools,
}

/// What an emulator has recorded of a run.
#[derive(Debug, Clone, Deserialize)]
pub struct RunRecord {
    /// Every resource of every statement that allows something.
    pub permissions: Vec<Permission>,
    /// Every task token that was handed out and every secret that was stored.
    pub secrets: Vec<String>,
    /// What failed executions say.
    pub failures: Vec<Value>,
}

/// A statement that allows something.
#[derive(Debug, Clone, Deserialize)]
pub struct Permission {
    /// The role or the bucket.
    pub place: String,
    /// Its name, or what it allows, and which of its resources, when it has several.
    pub statement: String,
    /// A request that no other statement has allowed.
    pub needed_by: Option<String>,
}

impl Stack {
    /// Installs, builds, starts and deploys; what is done already is not done again.
    ///
    /// # Errors
    ///
    /// When one of these fails. Nothing that was started runs on.
    pub async fn start(workspace: &Workspace, progress: &Progress, port: Option<u16>) -> Result<Self> {
        let (tools, ()) =
            tokio::try_join!(Tools::install(workspace, progress), compile(workspace, progress))?;
        let sam = Sam::new(workspace.clone(), tools);

        let packing = sam.only_one_packs().await?;
        let step = progress.step("Starting the emulator");
        let emulator = Emulator::start(workspace, &sam, port, None, &step).await?;
        step.done();
        sam.package(emulator.endpoint(), progress).await?;
        drop(packing);

        let template = sam.packaged_template();
        Self::deployed(sam, emulator, STACK_NAME, &template, &PARAMETERS, progress).await
    }

    async fn deployed(
        sam: Sam,
        emulator: Emulator,
        name: &str,
        template: &Path,
        parameters: &[&str],
        progress: &Progress,
    ) -> Result<Self> {
        let step = progress.step(format!("Deploying {name} with sam deploy"));
        let outputs = sam.deploy(emulator.endpoint(), name, template, parameters, &step).await?;
        step.done();

        let description = StackDescription {
            endpoint: emulator.endpoint().to_owned(),
            outputs,
            function_logs: emulator.function_logs(),
            tools: sam.tools().clone(),
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
        format!("{}/{function}/", public_base_url(&self.endpoint))
    }

    /// The template as it is deployed, with the functions packed.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn packaged_template(&self) -> Result<String> {
        let path = self.sam().packaged_template();
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    /// Deploys a changed copy of the template, with `parameters` (`Name=value`), to an emulator of its own: it costs
    /// the others nothing, and is gone when the value is dropped.
    ///
    /// # Errors
    ///
    /// When the emulator does not start or the deployment fails.
    pub async fn deploy_copy(&self, name: &str, template: &str, parameters: &[&str]) -> Result<Stack> {
        let workspace = Workspace::this();
        let sam = self.sam();
        let progress = Progress::of(&workspace);
        let folder = self.copies().join(name);
        let _turn = COPIES_AT_ONCE.acquire().await?;
        let packing = sam.only_one_packs().await?;
        let step = progress.step(format!("Starting the emulator of {name}"));
        let emulator = Emulator::start(&workspace, &sam, None, Some(folder.clone()), &step).await?;
        step.done();
        drop(packing);

        let path = folder.join("template.yaml");
        fs::write(&path, template)?;
        Stack::deployed(sam, emulator, name, &path, parameters, &progress).await
    }

    /// Where the emulators of copies have their folders.
    fn copies(&self) -> PathBuf {
        self.function_logs.with_file_name("copies")
    }

    /// The folders with the logs of the copies' functions, see [`StackDescription::function_logs`].
    ///
    /// # Errors
    ///
    /// When there was no copy.
    pub fn function_logs_of_copies(&self) -> Result<Vec<PathBuf>> {
        fs::read_dir(self.copies())?.map(|copy| Ok(copy?.path().join("functions"))).collect()
    }

    /// What the emulator has recorded of this run until now, see `local/launcher/run_record.py`.
    ///
    /// # Errors
    ///
    /// When the emulator does not answer.
    pub async fn run_record(&self) -> Result<RunRecord> {
        let url = format!("{}/_local/record", self.endpoint);
        Ok(reqwest::get(url).await?.error_for_status()?.json().await?)
    }

    fn sam(&self) -> Sam {
        Sam::new(Workspace::this(), self.tools.clone())
    }

    /// Configuration for SDK clients, as the root of the emulator's account.
    pub async fn sdk_config(&self) -> SdkConfig {
        aws_config::defaults(BehaviorVersion::latest())
            .region(Region::from_static(REGION))
            .credentials_provider(root())
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
