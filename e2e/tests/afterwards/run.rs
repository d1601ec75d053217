//! What the emulators of this test run have recorded.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use local_stack::{StackDescription, stack::RunRecord};
use tokio::time::sleep;

/// How long an emulator that was told to end may take to write its record.
const DEADLINE: Duration = Duration::from_secs(20);

/// What one emulator has recorded, and the folder of its functions' logs.
pub(crate) struct Run {
    pub(crate) folder: PathBuf,
    pub(crate) record: RunRecord,
}

/// The records of the shared stack, which still runs, and of all copies, which have ended.
pub(crate) async fn records() -> Result<Vec<Run>> {
    let shared = StackDescription::of_this_test_run()?;
    let mut runs = vec![Run { folder: shared.function_logs.clone(), record: shared.run_record().await? }];
    for folder in shared.function_logs_of_copies()? {
        let record = written(&folder.join("record.json")).await?;
        runs.push(Run { folder, record });
    }
    Ok(runs)
}

async fn written(path: &Path) -> Result<RunRecord> {
    let give_up = Instant::now() + DEADLINE;
    loop {
        // Cut off while it is written, it is no JSON.
        if let Some(record) = fs::read(path).ok().and_then(|json| serde_json::from_slice(&json).ok()) {
            return Ok(record);
        }
        ensure!(Instant::now() < give_up, "no {}", path.display());
        sleep(Duration::from_millis(100)).await;
    }
}
