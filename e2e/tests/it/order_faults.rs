//! The order workflow, when its functions break. On a stack of their own: a fault strikes whoever calls next.

use anyhow::Result;
use aws_sdk_sfn::types::ExecutionStatus;
use local_stack::functions::{Action, Fault, When};
use serde_json::json;

use crate::cafe::{ADA, Cafe, EVA, answer, new_id};

fn fault(cafe: &Cafe, function: &str, operation: &'static str, when: When, times: u32) -> Result<Fault> {
    let function = cafe.stack.output(function)?.to_owned();
    Ok(Fault { function, operation, when, action: Action::Kill, times })
}

#[tokio::test]
async fn functions_that_die_halfway_leave_orders_that_can_still_be_made() -> Result<()> {
    let cafe = Cafe::own("order-faults", &[]).await?;
    cafe.open().await?;
    const STORER: &str = "OrderTokenStorerFunctionName";
    const MANAGER: &str = "OrderManagerFunctionName";
    let strike = async |function, operation, when, times| {
        cafe.stack.arm(&fault(&cafe, function, operation, when, times)?).await
    };

    // The storer dies at the record, then at the registration: the Lambda service repeats the event.
    strike(STORER, "dynamodb:PutItem", When::After, 1).await?;
    let id = new_id();
    let execution = cafe.order(&id).await?;
    strike(STORER, "dynamodb:UpdateItem", When::After, 1).await?;
    assert_eq!(cafe.submit(&id, ADA, "Latte").await?, answer(200, "delivered"));
    cafe.wait_registered("order-completion", &id).await?;
    cafe.record_in(&id, "WAITING_COMPLETION").await?;

    // The manager dies when the workflow has gone on and the record does not say so: the barista asks again.
    strike(MANAGER, "states:SendTaskSuccess", When::After, 1).await?;
    let died = cafe.put(&id, "complete", EVA).await;
    assert!(died.is_err() || died.is_ok_and(|(code, _)| code >= 500));
    assert_eq!(cafe.end(&execution).await?.status, ExecutionStatus::Succeeded);
    let record = cafe.record_in(&id, "COMPLETED").await?;
    assert_eq!(record.get("baristaUserId"), None, "the workflow does not know who made it");
    assert_eq!(cafe.put(&id, "complete", EVA).await?, answer(200, "duplicate"));
    assert_eq!(cafe.record(&id).await?["baristaUserId"], "eva");

    // The manager dies between the drink's record and its delivery: the customer asks again.
    let id = new_id();
    let execution = cafe.order(&id).await?;
    strike(MANAGER, "dynamodb:UpdateItem", When::Before, 1).await?;
    let died = cafe.submit(&id, ADA, "Latte").await;
    assert!(died.is_err() || died.is_ok_and(|(code, _)| code >= 500));
    assert_eq!(cafe.record(&id).await?["state"], "SUBMITTED");
    assert_eq!(cafe.submit(&id, ADA, "Latte").await?, answer(200, "delivered"));
    cafe.wait_registered("order-completion", &id).await?;
    assert_eq!(cafe.put(&id, "cancel", ADA).await?, answer(200, "delivered"));
    cafe.end(&execution).await?;

    // The storer dies before the barista's token is stored: the completion is parked, and used when the event comes again.
    let id = new_id();
    let execution = cafe.order(&id).await?;
    strike(STORER, "dynamodb:UpdateItem", When::Before, 2).await?;
    assert_eq!(cafe.submit(&id, ADA, "Latte").await?, answer(200, "delivered"));
    assert_eq!(cafe.put(&id, "complete", EVA).await?, answer(202, "parked"));
    assert_eq!(cafe.end(&execution).await?.output["order"], json!({ "orderId": id }));
    cafe.record_in(&id, "COMPLETED").await?;
    Ok(())
}
