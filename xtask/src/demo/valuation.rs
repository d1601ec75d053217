//! A loan application, valued by a third party that calls back.

use std::time::{Duration, Instant};

use anyhow::Result;
use aws_sdk_sfn::{Client, types::ExecutionStatus};
use local_stack::{Progress, Stack, execution::Execution};
use serde_json::json;

/// Longer than the local stack waits for a valuation.
const DEADLINE: Duration = Duration::from_secs(60);

/// Runs one loan application, prints what became of it, and says whether it was valued.
pub(crate) async fn run(stack: &Stack, progress: &Progress, as_json: bool) -> Result<bool> {
    let step = progress.step("Valuation: asking a third party and waiting for its webhook");
    let client = Client::new(&stack.sdk_config().await);
    let input = json!({
        "applicationReference": "app-ref",
        "property": { "nameOrNumber": "999", "postcode": "PO1 1CE" },
    });
    let started = Instant::now();
    let execution =
        Execution::run(&client, stack.output("LoanProcessorStateMachineArn")?, &input, DEADLINE).await?;
    let seconds = started.elapsed().as_secs_f64();
    step.done();

    let valued =
        execution.output["valuationReference"].is_string() && execution.output["propertyValue"].is_number();
    let as_expected = execution.status == ExecutionStatus::Succeeded && valued;
    progress.pause(|| {
        if as_json {
            let line = json!({
                "workflow": "loan-processor",
                "execution": execution.arn,
                "status": execution.status.as_str(),
                "output": execution.output,
                "as_expected": as_expected,
                "seconds": seconds,
            });
            println!("{line}");
        } else {
            println!("\nValuation");
            println!("  {:<34}{}", "ended", execution.status);
            println!("  {:<34}{seconds:.1}", "seconds");
            println!("  loan-processor  {}", execution.output);
            if !as_expected {
                println!("  NOT AS EXPECTED: {} {:?} {:?}", execution.arn, execution.error, execution.cause);
            }
        }
    });
    Ok(as_expected)
}
