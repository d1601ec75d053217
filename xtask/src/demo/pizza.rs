//! Polling versus callback, measured on one pizza each.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result};
use aws_sdk_sfn::{Client, types::ExecutionStatus};
use local_stack::{
    LogLine, Progress, Stack, StackDescription,
    execution::{Execution, states_entered},
};
use serde::Serialize;
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::prices;

/// Longer than a pizza may take on the local stack.
const DEADLINE: Duration = Duration::from_secs(150);

/// What one execution did, measured in this run.
#[derive(Serialize)]
struct Measured {
    workflow: &'static str,
    execution: String,
    status: String,
    output: Value,
    as_expected: bool,
    state_transitions: usize,
    lambda_invocations: usize,
    lambda_milliseconds: f64,
    sqs_requests: usize,
    dynamodb_requests: usize,
    seconds_from_ready_to_resumed: Option<f64>,
    dollars_per_million_orders: f64,
}

/// Runs both machines at once, prints what they did, and says whether both did as expected.
pub(crate) async fn run(stack: &Stack, progress: &Progress, as_json: bool) -> Result<bool> {
    let step = progress.step("Pizza: ordering one by polling, one by callback");
    let client = Client::new(&stack.sdk_config().await);
    let polling_input =
        json!({ "name": "pizza_callback", "order": "pizza margherita", "waitTime": "4", "bakeTime": "6" });
    let callback_input = json!({ "name": "pizza_callback", "order": "pizza funghi", "bakeTime": "6" });
    let (polling, callback) = futures_util::future::try_join(
        Execution::run(&client, stack.output("PizzaPollingStateMachineArn")?, &polling_input, DEADLINE),
        Execution::run(&client, stack.output("PizzaCallbackStateMachineArn")?, &callback_input, DEADLINE),
    )
    .await?;
    let polling = measure(stack, &client, "pizza-polling", polling, &polling_input).await?;
    let callback = measure(stack, &client, "pizza-callback", callback, &callback_input).await?;
    step.done();

    progress.pause(|| {
        if as_json {
            for measured in [&polling, &callback] {
                println!("{}", serde_json::to_string(measured)?);
            }
        } else {
            print_side_by_side(&polling, &callback);
        }
        anyhow::Ok(())
    })?;
    Ok(polling.as_expected && callback.as_expected)
}

async fn measure(
    stack: &StackDescription,
    client: &Client,
    workflow: &'static str,
    execution: Execution,
    input: &Value,
) -> Result<Measured> {
    let baker = Activity::of(&execution.arn, stack.log("PizzaBakerFunctionName")?);
    let status = Activity::of(&execution.arn, stack.log("PizzaStatusFunctionName")?);
    let expected = json!({ "name": "lambda pizza baking service", "message": "pizza is ready - enjoy!", "order": input["order"] });

    let put_into_oven = baker.said("pizza in the oven").count();
    let recorded = baker.said("result recorded").count();
    let entered = states_entered(client, &execution.arn).await?;
    let state_transitions = entered.len();
    let lambda_invocations = baker.invocations.len() + status.invocations.len();
    // The workflow sends the order; each time the baker looks, it is received and deleted.
    let sqs_requests = 1 + 2 * baker.invocations.len() + put_into_oven;
    let billed_milliseconds = baker.billed_milliseconds() + status.billed_milliseconds();
    let dollars_per_order = state_transitions as f64 * prices::STATE_TRANSITION
        + lambda_invocations as f64 * prices::LAMBDA_REQUEST
        + billed_milliseconds / 1_000.0 * prices::FUNCTION_GB * prices::LAMBDA_GB_SECOND
        + sqs_requests as f64 * prices::SQS_REQUEST
        + recorded as f64 * prices::DYNAMODB_WRITE
        + status.invocations.len() as f64 * prices::DYNAMODB_READ;

    let ready = baker.said("pizza ready").next().map(timestamp).transpose()?;
    let resumed = entered.iter().find(|(state, _)| state == "Order Succeeded").map(|(_, at)| *at);
    let lag = ready.zip(resumed).map(|(ready, resumed)| resumed.duration_since(ready).unwrap_or_default());
    Ok(Measured {
        workflow,
        status: execution.status.to_string(),
        as_expected: execution.status == ExecutionStatus::Succeeded && execution.output == expected,
        output: execution.output,
        execution: execution.arn,
        state_transitions,
        lambda_invocations,
        lambda_milliseconds: baker.milliseconds() + status.milliseconds(),
        sqs_requests,
        dynamodb_requests: recorded + status.invocations.len(),
        seconds_from_ready_to_resumed: lag.map(|lag| lag.as_secs_f64()),
        dollars_per_million_orders: dollars_per_order * 1e6,
    })
}

/// What a function did for one execution.
struct Activity {
    lines: Vec<LogLine>,
    /// Duration of each of its invocations, in milliseconds.
    invocations: Vec<f64>,
}

impl Activity {
    fn of(execution: &str, log: Vec<LogLine>) -> Self {
        let (own, others): (Vec<_>, Vec<_>) =
            log.into_iter().partition(|line| line.field("execution") == execution);
        let requests: BTreeSet<_> = own.iter().filter_map(LogLine::request_id).collect();
        let invocations = others
            .iter()
            .filter(|line| line.request_id().is_some_and(|id| requests.contains(id)))
            .filter_map(|line| line.field("duration_ms").as_f64())
            .collect();
        Self { invocations, lines: own }
    }

    fn said<'a>(&'a self, message: &'a str) -> impl Iterator<Item = &'a LogLine> {
        self.lines.iter().filter(move |line| line.message() == message)
    }

    fn milliseconds(&self) -> f64 {
        self.invocations.iter().sum()
    }

    /// AWS rounds each invocation up to a millisecond.
    fn billed_milliseconds(&self) -> f64 {
        self.invocations.iter().map(|milliseconds| milliseconds.ceil()).sum()
    }
}

/// When a line was written.
fn timestamp(line: &LogLine) -> Result<SystemTime> {
    let text = line.field("timestamp").as_str().context("a log line without timestamp")?;
    let time = OffsetDateTime::parse(text, &Rfc3339).with_context(|| format!("{text} is not a timestamp"))?;
    Ok(time.into())
}

fn print_side_by_side(polling: &Measured, callback: &Measured) {
    let row = |title: &str, value: &dyn Fn(&Measured) -> String| {
        println!("  {title:<34}{:>14}{:>14}", value(polling), value(callback));
    };
    println!("\nPizza                               {:>14}{:>14}", "polling", "callback");
    row("ended", &|measured| measured.status.clone());
    row("state transitions", &|measured| measured.state_transitions.to_string());
    row("Lambda invocations", &|measured| measured.lambda_invocations.to_string());
    row("Lambda milliseconds", &|measured| format!("{:.1}", measured.lambda_milliseconds));
    row("SQS requests", &|measured| measured.sqs_requests.to_string());
    row("DynamoDB requests", &|measured| measured.dynamodb_requests.to_string());
    row("seconds from ready to resumed", &|measured| {
        measured
            .seconds_from_ready_to_resumed
            .map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.3}"))
    });
    row("dollars per million orders", &|measured| format!("{:.2}", measured.dollars_per_million_orders));
    for measured in [polling, callback] {
        println!("  {:<16}{}", measured.workflow, measured.output);
        if !measured.as_expected {
            println!("  {:<16}NOT AS EXPECTED: {}", "", measured.execution);
        }
    }
}
