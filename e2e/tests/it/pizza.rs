//! The pizza workflows, when nothing breaks.

use std::collections::BTreeSet;

use anyhow::Result;
use aws_sdk_sfn::types::ExecutionStatus;
use local_stack::{LogLine, execution::task_token};
use serde_json::json;

use crate::{
    eventually::DEADLINE,
    kitchen::{Kitchen, made_up_execution, pizza, ready_order},
};

#[tokio::test]
async fn both_workflows_end_with_the_ordered_pizza() -> Result<()> {
    let kitchen = Kitchen::shared().await?;

    let polling =
        kitchen.polling(json!({ "name": "pizza_callback", "order": "pizza margherita", "waitTime": "5" }));
    let callback = kitchen.callback(json!({ "name": "pizza_callback", "order": "pizza funghi" }));
    let (polling, callback) = tokio::try_join!(polling, callback)?;

    assert_eq!((polling.status, polling.output), (ExecutionStatus::Succeeded, pizza("pizza margherita")));
    assert_eq!((callback.status, callback.output), (ExecutionStatus::Succeeded, pizza("pizza funghi")));
    Ok(())
}

#[tokio::test]
async fn an_order_that_cannot_be_baked_ends_both_workflows_in_order_failed_with_the_reason() -> Result<()> {
    let kitchen = Kitchen::shared().await?;
    let of_nothing = json!({ "name": "pizza_callback", "waitTime": 1 });
    let bad_time = json!({ "order": "pizza funghi", "bakeTime": "soon", "waitTime": 1 });

    let (polling, callback, bad_time) = tokio::try_join!(
        kitchen.polling(of_nothing.clone()),
        kitchen.callback(of_nothing),
        kitchen.callback(bad_time),
    )?;

    let nothing = "the order does not say what to bake: `order` must be a text that is not empty";
    let not_seconds = "the order cannot be read: `bakeTime` must be a number of seconds, zero or more";
    for (execution, reason) in [(polling, nothing), (callback, nothing), (bad_time, not_seconds)] {
        assert_eq!(execution.status, ExecutionStatus::Failed);
        assert_eq!(execution.error.as_deref(), Some("OrderFailed"));
        assert_eq!(execution.cause.as_deref(), Some(reason));
    }
    Ok(())
}

#[tokio::test]
async fn a_wait_time_that_is_no_number_fails_the_polling_workflow_with_the_reason() -> Result<()> {
    let kitchen = Kitchen::shared().await?;

    let execution = kitchen.polling(json!({ "order": "pizza funghi", "waitTime": "soon" })).await?;

    assert_eq!(execution.error.as_deref(), Some("OrderFailed"));
    assert!(
        execution.cause.as_deref().is_some_and(|cause| cause.starts_with("States.QueryEvaluationError: "))
    );
    Ok(())
}

#[tokio::test]
async fn of_ten_messages_the_two_bad_ones_fail_alone() -> Result<()> {
    let kitchen = Kitchen::shared().await?;
    let waiting = kitchen.order_by_callback(json!({ "order": "pizza funghi", "bakeTime": 60 })).await?;
    let token = task_token(&kitchen.sfn, &waiting, DEADLINE).await?;
    let executions: Vec<_> = (0..8).map(|_| made_up_execution()).collect();
    let not_json = format!("{} is not JSON", made_up_execution());

    let mut batch: Vec<_> = executions
        .iter()
        .map(|execution| ready_order(execution, None, &json!({ "order": execution })))
        .collect();
    batch.insert(3, not_json.clone());
    batch.insert(6, ready_order(&waiting, Some(&token), &json!({ "name": "an order of nothing" })));
    kitchen.deliver(&batch).await?;

    for execution in &executions {
        let expected = json!({ "status": "SUCCEEDED", "pizza": pizza(execution) });
        assert_eq!(kitchen.result(execution).await?, expected);
        assert_eq!(kitchen.said(execution, "result recorded")?, 1);
    }
    let failed = kitchen.end(&waiting).await?;
    assert_eq!(failed.error.as_deref(), Some("OrderFailed"));
    assert_eq!(
        failed.cause.as_deref(),
        Some("the order does not say what to bake: `order` must be a text that is not empty")
    );
    kitchen.dead_letter(&not_json).await?;
    let log = kitchen.baker_log()?;
    let unreadable: Vec<_> =
        log.iter().filter(|line| line.field("error_name") == "UnreadableMessage").collect();
    let messages: BTreeSet<_> = unreadable.iter().map(|line| line.field("message_id").to_string()).collect();
    assert_eq!((unreadable.len(), messages.len()), (5, 1), "one message was received five times");
    Ok(())
}

#[tokio::test]
async fn a_message_delivered_twice_makes_one_pizza_and_no_error() -> Result<()> {
    let kitchen = Kitchen::shared().await?;
    let waiting = kitchen.order_by_callback(json!({ "order": "pizza funghi", "bakeTime": 5 })).await?;
    let token = task_token(&kitchen.sfn, &waiting, DEADLINE).await?;
    let polling = made_up_execution();

    let awaited = ready_order(&waiting, Some(&token), &json!({ "order": "pizza funghi" }));
    let polled = ready_order(&polling, None, &json!({ "order": "pizza funghi" }));
    kitchen.deliver(&[awaited.clone(), awaited, polled.clone(), polled]).await?;

    let execution = kitchen.end(&waiting).await?;
    assert_eq!((execution.status, execution.output), (ExecutionStatus::Succeeded, pizza("pizza funghi")));
    kitchen.hears(&waiting, "workflow was resumed before, or has ended", 1).await?;
    kitchen.hears(&polling, "result was recorded before", 1).await?;
    assert_eq!(kitchen.said(&waiting, "workflow resumed")?, 1);
    assert_eq!(kitchen.said(&polling, "result recorded")?, 1);
    Ok(())
}

/// The local stack has a heartbeat of 30 s.
#[tokio::test]
async fn a_bake_of_60_seconds_keeps_the_wait_alive_and_the_baker_idle() -> Result<()> {
    let kitchen = Kitchen::shared().await?;

    let execution = kitchen.callback(json!({ "order": "pizza bianca", "bakeTime": 60 })).await?;

    assert_eq!((execution.status, execution.output), (ExecutionStatus::Succeeded, pizza("pizza bianca")));
    let log = kitchen.baker_log()?;
    let requests: BTreeSet<_> = log
        .iter()
        .filter(|line| line.field("execution") == &*execution.arn)
        .filter_map(LogLine::request_id)
        .collect();
    let milliseconds: f64 = log
        .iter()
        .filter(|line| line.request_id().is_some_and(|id| requests.contains(id)))
        .filter_map(|line| line.field("duration_ms").as_f64())
        .sum();
    println!("a bake of 60 s: {} invocations, {milliseconds:.1} ms of Lambda", requests.len());
    // A beat every 10 s, as SQS counts them, and the end. A baker that slept would be billed for 60,000 ms; the bound is
    // far from both, because a busy machine is slow.
    assert!((6..=9).contains(&requests.len()), "{} invocations", requests.len());
    assert!(milliseconds < 30_000.0, "{milliseconds} ms");
    Ok(())
}
