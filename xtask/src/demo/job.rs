//! A flow that moves an object, started and waited for.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use aws_sdk_s3::{config::Builder, primitives::ByteStream};
use aws_sdk_sfn::types::ExecutionStatus;
use local_stack::{Progress, Stack, execution::Execution};
use serde_json::{Value, json};

/// Longer than the local stack waits for a job.
const DEADLINE: Duration = Duration::from_secs(60);
/// The object that is moved: its name and its content.
const SAMPLE: (&str, &str) = ("input/example.json", r#"{"hello":"world"}"#);

/// Runs one job, prints what became of it, and says whether the object was moved and the workflow went on.
pub(crate) async fn run(stack: &Stack, progress: &Progress, as_json: bool) -> Result<bool> {
    let step = progress.step("Job: moving an object by AppFlow and waiting for the event of its end");
    let config = stack.sdk_config().await;
    let sfn = aws_sdk_sfn::Client::new(&config);
    let s3 = aws_sdk_s3::Client::from_conf(Builder::from(&config).force_path_style(true).build());
    let bucket = stack.output("FlowBucketName")?;
    let (key, content) = SAMPLE;
    let sample = ByteStream::from_static(content.as_bytes());
    s3.put_object().bucket(bucket).key(key).body(sample).send().await?;

    let input = json!({ "import": "nightly" });
    let started = Instant::now();
    let execution = Execution::run(&sfn, stack.output("JobMainStateMachineArn")?, &input, DEADLINE).await?;
    let seconds = started.elapsed().as_secs_f64();

    let moved = moved(&s3, bucket, execution.output["job"]["execution-id"].as_str()).await?;
    step.done();

    let as_expected = execution.status == ExecutionStatus::Succeeded
        && execution.output["input"] == input
        && moved.as_ref().is_some_and(|(_, record)| *record == json!({ "hello": "world" }));
    progress.pause(|| {
        if as_json {
            let line = json!({
                "workflow": "job-main",
                "execution": execution.arn,
                "status": execution.status.as_str(),
                "output": execution.output,
                "moved": moved.map(|(key, _)| key),
                "as_expected": as_expected,
                "seconds": seconds,
            });
            println!("{line}");
        } else {
            println!("\nJob");
            println!("  {:<34}{}", "ended", execution.status);
            println!("  {:<34}{seconds:.1}", "seconds");
            println!("  {:<34}{key}  {content}", "from");
            if let Some((key, record)) = moved {
                println!("  {:<34}{key}  {record}", "to");
            }
            println!("  job-main        {}", execution.output);
            if !as_expected {
                println!("  NOT AS EXPECTED: {} {:?} {:?}", execution.arn, execution.error, execution.cause);
            }
        }
    });
    Ok(as_expected)
}

/// The object that the run wrote: its key and the one record in it.
async fn moved(s3: &aws_sdk_s3::Client, bucket: &str, run: Option<&str>) -> Result<Option<(String, Value)>> {
    let Some(run) = run else { return Ok(None) };
    let listed = s3.list_objects_v2().bucket(bucket).prefix("output/").send().await?;
    let written = listed.contents().iter().filter_map(|object| object.key()).find(|key| key.contains(run));
    let Some(key) = written else { return Ok(None) };
    let object = s3.get_object().bucket(bucket).key(key).send().await?;
    let content = object.body.collect().await?.into_bytes();
    let record = serde_json::from_slice(&content).context("the moved object is not JSON")?;
    Ok(Some((key.to_owned(), record)))
}
