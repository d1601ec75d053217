//! A document, split into chunks that are processed all at once.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use aws_sdk_s3::{config::Builder, primitives::ByteStream};
use aws_sdk_sfn::types::ExecutionStatus;
use local_stack::{Progress, Stack, Workspace, execution::Execution};
use serde_json::{Value, json};
use tokio::process::Command;
use walkdir::WalkDir;

/// Longer than the local stack waits for a document's chunks.
const DEADLINE: Duration = Duration::from_secs(120);
/// Where the document is put.
const KEY: &str = "documents/sources.txt";

/// Counts what is in the sources of this repository, prints it, and says whether `wc` counts the same.
pub(crate) async fn run(
    stack: &Stack,
    workspace: &Workspace,
    progress: &Progress,
    as_json: bool,
) -> Result<bool> {
    let step =
        progress.step("Document: splitting the sources of this repository, counting what is in each chunk");
    let config = stack.sdk_config().await;
    let sfn = aws_sdk_sfn::Client::new(&config);
    let s3 = aws_sdk_s3::Client::from_conf(Builder::from(&config).force_path_style(true).build());
    let file = workspace.local().join("sources.txt");
    fs::write(&file, sources(workspace.root())?)?;
    let body = ByteStream::from_path(&file).await?;
    s3.put_object().bucket(stack.output("DocumentBucketName")?).key(KEY).body(body).send().await?;

    let input = json!({ "key": KEY });
    let started = Instant::now();
    let machine = stack.output("DocumentProcessorStateMachineArn")?;
    let execution = Execution::run(&sfn, machine, &input, DEADLINE).await?;
    let seconds = started.elapsed().as_secs_f64();
    let wc = wc(&file).await?;
    step.done();

    let output = &execution.output;
    let counted = ["lines", "words", "bytes"].map(|name| output[name].as_u64());
    let as_expected = execution.status == ExecutionStatus::Succeeded && counted == wc.map(Some);
    progress.pause(|| {
        if as_json {
            let line = json!({
                "workflow": "document-processor",
                "execution": execution.arn,
                "status": execution.status.as_str(),
                "output": output,
                "wc": wc,
                "as_expected": as_expected,
                "seconds": seconds,
            });
            println!("{line}");
        } else {
            println!("\n{:<34}{:>14}{:>14}", "Document", "workflow", "wc");
            for (name, (ours, wc)) in ["lines", "words", "bytes"].into_iter().zip(counted.into_iter().zip(wc))
            {
                println!("  {name:<32}{:>14}{wc:>14}", ours.unwrap_or_default());
            }
            println!("  {:<32}{:>14}", "chunks, one invocation each", output["chunks"].to_string());
            println!("  {:<32}{seconds:>14.1}", "seconds");
            println!("  {:<32}{}", "most frequent words", words(&output["mostFrequentWords"]));
            if !as_expected {
                println!("  NOT AS EXPECTED: {} {:?} {:?}", execution.arn, execution.error, execution.cause);
            }
        }
    });
    Ok(as_expected)
}

/// All that people have written in this repository, in one text.
fn sources(root: &Path) -> Result<Vec<u8>> {
    let mut text = fs::read(root.join("README.md"))?;
    for folder in ["docs", "functions", "shared", "xtask/src"] {
        for entry in WalkDir::new(root.join(folder)).sort_by_file_name() {
            let path: PathBuf = entry?.into_path();
            if path.extension().is_some_and(|extension| extension == "md" || extension == "rs") {
                text.extend(fs::read(path)?);
            }
        }
    }
    Ok(text)
}

/// Lines, words and bytes of a file, as `wc` counts them.
async fn wc(file: &Path) -> Result<[u64; 3]> {
    let counted = Command::new("wc").args(["-l", "-w", "-c"]).arg(file).env("LC_ALL", "C.UTF-8").output();
    let counted = counted.await.context("cannot start wc")?;
    ensure!(counted.status.success(), "wc failed");
    let text = String::from_utf8(counted.stdout)?;
    let numbers: Vec<u64> = text.split_whitespace().map_while(|number| number.parse().ok()).collect();
    numbers.try_into().ok().context("wc did not print three numbers")
}

fn words(most_frequent: &Value) -> String {
    let words = most_frequent.as_array().into_iter().flatten().take(5);
    let words: Vec<String> = words
        .map(|word| format!("{} {}", word["word"].as_str().unwrap_or_default(), word["count"]))
        .collect();
    words.join(", ")
}
