//! The valuation workflow with everything that a third party can do to it: how the execution ends, what the sender
//! is answered, and what the table keeps.

use anyhow::Result;
use aws_sdk_sfn::types::{ExecutionStatus, HistoryEventType};
use local_stack::execution::{Execution, history};

use crate::office::Office;

/// Asserts that the application was valued, under this reference.
fn assert_valued(execution: &Execution, reference: &str) {
    assert_eq!(execution.status, ExecutionStatus::Succeeded, "{:?} {:?}", execution.error, execution.cause);
    assert_eq!(execution.output["valuationReference"], reference);
    assert_eq!(execution.output["propertyValue"], 666_000);
}

/// Asserts that the application failed with this error.
fn assert_failed(execution: &Execution, error: &str) {
    assert_eq!(execution.status, ExecutionStatus::Failed);
    assert_eq!(execution.error.as_deref(), Some(error), "{:?}", execution.cause);
}

fn answers(answers: &[(u64, String)]) -> Vec<(u64, &str)> {
    answers.iter().map(|(code, status)| (*code, status.as_str())).collect()
}

/// Applies, waits for the end, and asserts the webhooks' answers and the recorded delivery.
async fn valued(house: &str, expected_answers: &[(u64, &str)]) -> Result<()> {
    let office = Office::shared().await?;

    let application = office.run(house).await?;

    let reference = office.reference(&application.arn).await?;
    assert_valued(&application, &reference);
    let answered = office.answers(&reference, expected_answers.len()).await?;
    assert_eq!(answers(&answered), expected_answers);
    assert_eq!(office.delivery(&reference).await?, "delivered");
    Ok(())
}

/// Applies, waits until the wait times out, and asserts the answers and that the wait is still there to be seen.
async fn timed_out(house: &str, expected_answers: &[(u64, &str)]) -> Result<()> {
    let office = Office::shared().await?;

    let application = office.run(house).await?;

    assert_failed(&application, "States.Timeout");
    let reference = office.reference(&application.arn).await?;
    let answered = office.answers(&reference, expected_answers.len()).await?;
    assert_eq!(answers(&answered), expected_answers);
    let item = office.waiting_item(&reference).await?;
    assert!(item.has("task_token") && item.has("pending") && !item.has("outcome"));
    Ok(())
}

#[tokio::test]
async fn a_property_is_valued() -> Result<()> {
    valued("999", &[(200, "delivered")]).await
}

#[tokio::test]
async fn a_callback_that_comes_before_the_request_is_answered_is_used() -> Result<()> {
    valued("early", &[(202, "parked")]).await
}

#[tokio::test]
async fn a_callback_that_comes_twice_is_used_once() -> Result<()> {
    valued("duplicate", &[(200, "delivered"), (200, "duplicate")]).await
}

#[tokio::test]
async fn a_request_that_is_replayed_changes_nothing() -> Result<()> {
    valued("replayed", &[(200, "delivered"), (200, "duplicate")]).await
}

#[tokio::test]
async fn of_two_values_the_first_counts() -> Result<()> {
    valued("conflicting", &[(200, "delivered"), (200, "conflict")]).await
}

#[tokio::test]
async fn a_service_that_comes_back_is_asked_again() -> Result<()> {
    valued("down-then-up", &[(200, "delivered")]).await
}

#[tokio::test]
async fn a_service_that_answers_too_slowly_is_asked_again() -> Result<()> {
    let office = Office::shared().await?;

    let application = office.run("slow").await?;

    let reference = office.reference(&application.arn).await?;
    assert_valued(&application, &reference);
    // It calls back about when it is asked again: before the registration, or after it.
    let answered = office.answers(&reference, 1).await?;
    assert!(matches!(answers(&answered)[..], [(202, "parked") | (200, "delivered")]), "{answered:?}");
    assert_eq!(office.delivery(&reference).await?, "delivered");
    Ok(())
}

#[tokio::test]
async fn a_callback_signed_with_the_previous_key_is_accepted() -> Result<()> {
    valued("rotated", &[(200, "delivered")]).await
}

#[tokio::test]
async fn without_a_callback_the_wait_times_out() -> Result<()> {
    timed_out("none", &[]).await
}

#[tokio::test]
async fn a_forged_callback_is_refused() -> Result<()> {
    timed_out("forged", &[(401, "unauthorized")]).await
}

#[tokio::test]
async fn a_stale_callback_is_refused() -> Result<()> {
    timed_out("stale", &[(401, "unauthorized")]).await
}

#[tokio::test]
async fn a_malformed_callback_is_refused() -> Result<()> {
    timed_out("malformed", &[(400, "malformed")]).await
}

#[tokio::test]
async fn an_empty_callback_is_refused() -> Result<()> {
    timed_out("empty", &[(400, "malformed")]).await
}

#[tokio::test]
async fn an_oversized_callback_is_refused() -> Result<()> {
    timed_out("oversized", &[(413, "too large")]).await
}

#[tokio::test]
async fn a_valuation_that_failed_fails_the_workflow() -> Result<()> {
    let office = Office::shared().await?;

    let application = office.run("failed").await?;

    assert_failed(&application, "ValuationFailed");
    let reference = office.reference(&application.arn).await?;
    assert_eq!(answers(&office.answers(&reference, 1).await?), [(200, "delivered")]);
    assert_eq!(office.delivery(&reference).await?, "delivered");
    Ok(())
}

#[tokio::test]
async fn an_early_failure_fails_the_workflow() -> Result<()> {
    let office = Office::shared().await?;

    let application = office.run("early-failed").await?;

    assert_failed(&application, "ValuationFailed");
    let reference = office.reference(&application.arn).await?;
    assert_eq!(answers(&office.answers(&reference, 1).await?), [(202, "parked")]);
    assert_eq!(office.delivery(&reference).await?, "delivered");
    Ok(())
}

#[tokio::test]
async fn a_valuation_of_an_unknown_reference_is_kept_until_somebody_waits_for_it() -> Result<()> {
    let office = Office::shared().await?;

    let application = office.run("unknown").await?;

    assert_failed(&application, "States.Timeout");
    let reference = office.reference(&application.arn).await?;
    assert_eq!(answers(&office.answers(&reference, 1).await?), [(202, "parked")]);
    let unknown = format!("unknown-{reference}");
    let item = office.waiting_item(&unknown).await?;
    assert!(item.has("outcome") && item.has("pending") && !item.has("task_token"));

    let claimant = office.apply("none").await?;
    office.wait_for(&unknown, &claimant).await?;
    let claimed = office.end(&claimant).await?;

    assert_eq!(claimed.status, ExecutionStatus::Succeeded);
    assert_eq!(claimed.output["valuationReference"], unknown.as_str());
    assert_eq!(office.delivery(&unknown).await?, "delivered");
    Ok(())
}

#[tokio::test]
async fn a_service_that_stays_broken_fails_the_workflow_after_retries() -> Result<()> {
    let office = Office::shared().await?;

    let application = office.run("broken").await?;

    assert_failed(&application, "ValuationServiceUnavailable");
    assert_eq!(office.reference_so_far(&application.arn)?, None);
    let starts = history(&office.sfn, &application.arn).await?;
    let requests = starts.iter().filter(|event| event.r#type == HistoryEventType::TaskScheduled).count();
    assert_eq!(requests, 5, "one request and four retries");
    Ok(())
}

#[tokio::test]
async fn a_refused_request_fails_the_workflow_at_once() -> Result<()> {
    let office = Office::shared().await?;

    let application = office.run("refused").await?;

    assert_failed(&application, "ValuationRefused");
    assert_eq!(office.reference_so_far(&application.arn)?, None);
    Ok(())
}

#[tokio::test]
async fn a_late_valuation_is_kept_and_used_by_a_redrive() -> Result<()> {
    let office = Office::shared().await?;

    let application = office.run("late").await?;

    assert_failed(&application, "States.Timeout");
    let reference = office.reference(&application.arn).await?;
    assert_eq!(answers(&office.answers(&reference, 1).await?), [(202, "late")]);
    assert_eq!(office.delivery(&reference).await?, "late");

    office.sfn.redrive_execution().execution_arn(&application.arn).send().await?;
    let redriven = office.end(&application.arn).await?;

    assert_valued(&redriven, &reference);
    assert_eq!(office.delivery(&reference).await?, "delivered");
    Ok(())
}
