//! Every permission of the order's part of the template is needed: without it, an order is not taken, made or given up
//! as it should.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use aws_sdk_sfn::types::ExecutionStatus;
use local_stack::StackDescription;
use reqwest::Method;
use serde_json::Value;
use token_store::{CallbackKey, DynamoDbTokenStore, Outcome, Rendezvous, testing::RecordingTaskCallbacks};
use tokio::{sync::OnceCell, time::timeout};

use crate::{
    cafe::{ADA, Cafe, EVA, Listener, answer, new_id},
    dead_letters,
    eventually::eventually,
    permissions::Policies,
};

const RESOURCES: [&str; 4] = [
    "OrderProcessorStateMachine",
    "OrderStarterFunction",
    "OrderTokenStorerFunction",
    "OrderManagerFunction",
];

/// An order by HTTP from its place to its end, and one that is given up.
async fn is_ordered_and_made(cafe: &Cafe, listener: &Listener<'_>) -> Result<()> {
    // The only place is one that was left behind, and has to be found.
    cafe.take_place("gone", "2020-01-01T00:00:00.000Z").await?;
    let id = new_id();
    let execution = cafe.order(&id).await?;
    ensure!(cafe.put(&id, "heartbeat", ADA).await? == answer(200, "alive"));
    ensure!(cafe.submit(&id, ADA, "Latte").await? == answer(200, "delivered"));
    listener.hear(&id, "OrderManager.WaitingCompletion").await?;
    let listed = cafe.send(Method::GET, "/orders?state=WAITING_COMPLETION", EVA, Value::Null).await?;
    ensure!(listed.0 == 200);
    cafe.wait_registered("order-completion", &id).await?;
    ensure!(cafe.put(&id, "complete", EVA).await? == answer(200, "delivered"));
    ensure!(cafe.end(&execution).await?.status == ExecutionStatus::Succeeded);
    cafe.record_in(&id, "COMPLETED").await?;

    let id = new_id();
    let execution = cafe.order(&id).await?;
    ensure!(cafe.put(&id, "cancel", ADA).await? == answer(200, "delivered"));
    ensure!(cafe.end(&execution).await?.output["cause"] == "The order was cancelled");
    Ok(())
}

/// Outcomes that are there before the workflow waits for them.
async fn is_decided_early(cafe: &Cafe) -> Result<()> {
    let config = cafe.stack.sdk_config().await;
    let table = cafe.stack.output("TaskTokensTableName")?;
    let store = DynamoDbTokenStore::new(aws_sdk_dynamodb::Client::new(&config), table);
    let decide = async |id: &str, kind: &str, outcome: Outcome| -> Result<()> {
        let key = CallbackKey::new(kind, id)?;
        Rendezvous::new(&store, RecordingTaskCallbacks::default()).complete(&key, outcome).await?;
        Ok(())
    };
    let id = new_id();
    decide(&id, "order-submission", Outcome::success(r#"{"drink":"Latte"}"#)?).await?;
    decide(&id, "order-completion", Outcome::failure("OrderCancelled", "out of milk")).await?;

    let execution = cafe.start(&id, "ada").await?;

    ensure!(cafe.end(&execution).await?.output["cause"] == "out of milk");
    Ok(())
}

/// A workflow that is stopped cannot give its place back itself.
async fn gives_its_place_back(cafe: &Cafe) -> Result<()> {
    let id = new_id();
    let execution = cafe.order(&id).await?;
    cafe.sfn.stop_execution().execution_arn(&execution).send().await?;
    let free = async || Ok(cafe.places().await?.is_empty().then_some(()));
    eventually("the place is free", free).await?;
    cafe.record_in(&id, "FAILED").await?;
    Ok(())
}

async fn order_works(cafe: &Cafe, listener: &Listener<'_>) -> Result<()> {
    is_ordered_and_made(cafe, listener).await?;
    is_decided_early(cafe).await?;
    gives_its_place_back(cafe).await?;
    for function in ["OrderStarterFunctionName", "OrderTokenStorerFunctionName"] {
        let kept = dead_letters::are_kept(&cafe.stack, function, "OrderEventsDeadLetterQueueUrl").await?;
        ensure!(kept, "{function} loses its events");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_one_of_its_permissions_the_order_does_not_work() -> Result<()> {
    let shared = StackDescription::of_this_test_run()?;
    let template = shared.built_template()?;
    let stack = shared
        .deploy_copy("order-permissions", &template, &["ShopCapacity=1", "ReconcileAfterSeconds=60"])
        .await?;
    let cafe = Cafe::of(stack).await;
    cafe.open().await?;
    let listener = cafe.listen("order-permissions").await?;
    // Whatever takes twice as long as with all permissions does not work.
    let patience = OnceCell::new();
    let works = async || {
        let started = Instant::now();
        let patience = patience.get_or_try_init(async || {
            order_works(&cafe, &listener).await?;
            anyhow::Ok(started.elapsed() * 2 + Duration::from_secs(5))
        });
        let patience = *patience.await?;
        Ok(matches!(timeout(patience, order_works(&cafe, &listener)).await, Ok(Ok(()))))
    };
    let policies = Policies::of(&cafe.stack).await;
    policies.assert_each_is_needed(&RESOURCES, 24, works).await
}
