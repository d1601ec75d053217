//! The order workflow: customers and baristas who are quick, slow, early, undecided or gone.

use std::{collections::BTreeSet, time::Instant};

use anyhow::{Context, Result};
use aws_sdk_sfn::types::ExecutionStatus;
use local_stack::FunctionRequest;
use reqwest::Method;
use serde_json::{Value, json};
use token_store::{CallbackKey, DynamoDbTokenStore, Outcome, Rendezvous, testing::RecordingTaskCallbacks};
use tokio::time::sleep;

use crate::{
    cafe::{ADA, As, Cafe, EVA, PATIENCE, SILENCE, answer, new_id},
    eventually::{DEADLINE, eventually},
};

const BOB: As = As::Customer("bob");

/// The customer's events, as the seed tells them, and nothing else with a token.
#[tokio::test]
async fn an_order_is_finished_by_hand_with_the_tokens_of_the_emitted_events() -> Result<()> {
    let cafe = Cafe::shared().await?;
    let listener = cafe.listen("by-hand").await?;
    let token_of = async |last| -> Result<String> {
        let heard = listener.hear("1", last).await?;
        let event = heard.iter().find(|event| event["detail-type"] == last).context("it was heard")?;
        Ok(event["detail"]["TaskToken"].as_str().context("a token")?.to_owned())
    };

    let execution = cafe.start("1", "testuser").await?;
    for wait in ["OrderProcessor.WorkflowStarted", "OrderProcessor.WaitingCompletion"] {
        let token = token_of(wait).await?;
        let output = json!({ "orderId": 1 }).to_string();
        cafe.sfn.send_task_success().task_token(token).output(output).send().await?;
    }
    let ended = cafe.end(&execution).await?;

    assert_eq!(ended.status, ExecutionStatus::Succeeded, "{:?} {:?}", ended.error, ended.cause);
    assert_eq!(ended.output["detail"], json!({ "orderId": "1", "userId": "testuser" }));
    assert_eq!(ended.output["order"], json!({ "orderId": 1 }));
    let number = ended.output["Order"]["Payload"]["orderNumber"].as_str().context("a number")?;
    let finished = listener.hear("1", "OrderProcessor.orderFinished").await?;
    assert_eq!(finished.last().context("it was heard")?["detail"]["userId"], "testuser");
    let record = cafe.record_in("1", "COMPLETED").await?;
    assert_eq!(record["orderNumber"].to_string(), number);

    let again = cafe.start("1", "testuser").await?;
    let token = token_of("OrderProcessor.WorkflowStarted").await?;
    cafe.record_in("1", "CREATED").await?;
    cafe.sfn.send_task_failure().task_token(token).send().await?;
    assert_eq!(cafe.end(&again).await?.status, ExecutionStatus::Failed);
    cafe.record_in("1", "FAILED").await?;
    Ok(())
}

#[tokio::test]
async fn a_customer_orders_and_a_barista_completes_by_http() -> Result<()> {
    let cafe = Cafe::shared().await?;
    let listener = cafe.listen("by-http").await?;
    let id = new_id();

    let execution = cafe.order(&id).await?;
    cafe.record_in(&id, "CREATED").await?;
    assert_eq!(cafe.submit(&id, ADA, "Latte").await?, answer(200, "delivered"));
    let tokens = [
        cafe.wait_registered("order-submission", &id).await?,
        cafe.wait_registered("order-completion", &id).await?,
    ];
    let waiting = cafe.record_in(&id, "WAITING_COMPLETION").await?;
    assert_eq!(waiting["drinkOrder"], json!({ "drink": "Latte", "modifiers": [] }));
    assert!(waiting["orderNumber"].is_u64());
    let list = cafe.send(Method::GET, "/orders?state=WAITING_COMPLETION", EVA, Value::Null).await?.1;
    let listed = list["orders"].as_array().context("a list")?.iter();
    assert!(listed.clone().any(|order| order["orderId"] == *id), "{list}");
    assert_eq!(cafe.put(&id, "complete", EVA).await?, answer(200, "delivered"));

    let record = cafe.record(&id).await?;
    assert_eq!((&record["state"], &record["baristaUserId"]), (&json!("COMPLETED"), &json!("eva")));
    let ended = cafe.end(&execution).await?;
    assert_eq!(ended.output["order"], json!({ "orderId": id }));
    let heard = listener.hear(&id, "OrderProcessor.orderFinished").await?;
    let types: BTreeSet<_> = heard.iter().filter_map(|event| event["detail-type"].as_str()).collect();
    for told in ["OrderSubmitted", "WaitingCompletion", "OrderCompleted"] {
        assert!(types.contains(&*format!("OrderManager.{told}")), "{types:?}");
    }
    for event in heard.iter().filter(|event| event["detail"].get("TaskToken").is_none()) {
        assert!(!tokens.iter().any(|token| event.to_string().contains(token)), "{}", event["detail-type"]);
    }
    for function in ["OrderManagerFunctionName", "OrderTokenStorerFunctionName"] {
        let log = format!("{:?}", cafe.stack.log(function)?);
        assert!(log.contains(&id) && !tokens.iter().any(|token| log.contains(token)), "{function}");
    }
    Ok(())
}

#[tokio::test]
async fn a_request_that_is_not_signed_is_refused_by_iam() -> Result<()> {
    let cafe = Cafe::shared().await?;
    let headers = [("x-barista-id", "eva")];
    let request = FunctionRequest {
        function: "order-manager",
        method: Method::GET,
        path: "/orders?state=CREATED",
        headers: &headers,
        body: &Value::Null,
    };

    assert_eq!(cafe.stack.call_unsigned(&request).await?.0, 403);
    assert_eq!(cafe.stack.call(&request).await?.0, 200);
    Ok(())
}

#[tokio::test]
async fn a_silent_customer_times_out() -> Result<()> {
    let cafe = Cafe::shared().await?;
    let id = new_id();
    let execution = cafe.order(&id).await?;

    let ended = cafe.end(&execution).await?;

    assert_eq!(ended.status, ExecutionStatus::Succeeded);
    assert_eq!(ended.output["cause"], "Customer timedout");
    assert_eq!(ended.output["detail"], json!({ "orderId": id, "userId": "ada" }), "the input is kept");
    let states = cafe.states(&execution).await?;
    assert!(states.contains(&"Emit - error timeout".to_owned()), "{states:?}");
    let record = cafe.record_in(&id, "TIMED_OUT").await?;
    assert_eq!(record["reason"], "Customer timedout");
    assert_eq!(cafe.submit(&id, ADA, "Latte").await?, answer(410, "late"));
    assert_eq!(cafe.put(&id, "cancel", ADA).await?, answer(410, "late"));
    assert_eq!(cafe.put(&id, "heartbeat", ADA).await?, answer(410, "late"));
    assert_eq!(cafe.record(&id).await?, record);
    Ok(())
}

#[tokio::test]
async fn a_silent_barista_times_out() -> Result<()> {
    let cafe = Cafe::shared().await?;
    let id = new_id();
    let execution = cafe.order_latte(&id).await?;

    let ended = cafe.end(&execution).await?;

    assert_eq!(ended.output["cause"], "Barista timedout");
    assert_eq!(ended.output["detail"]["orderId"], *id, "the input is kept");
    let record = cafe.record_in(&id, "TIMED_OUT").await?;
    assert_eq!(
        (&record["reason"], &record["drinkOrder"]["drink"]),
        (&json!("Barista timedout"), &json!("Latte"))
    );
    assert_eq!(cafe.put(&id, "complete", EVA).await?, answer(410, "late"));
    assert_eq!(cafe.record(&id).await?, record);
    Ok(())
}

#[tokio::test]
async fn a_customer_who_beats_is_waited_for_until_the_waits_own_timeout() -> Result<()> {
    let cafe = Cafe::shared().await?;
    let id = new_id();
    let execution = cafe.order(&id).await?;
    let started = Instant::now();

    let mut last = answer(200, "alive");
    while last == answer(200, "alive") && started.elapsed() < DEADLINE {
        sleep(SILENCE / 4).await;
        last = cafe.put(&id, "heartbeat", ADA).await?;
    }

    assert_eq!(last, answer(410, "late"));
    let waited = started.elapsed();
    assert!(
        waited > SILENCE * 2 && waited > PATIENCE - SILENCE / 4 && waited < PATIENCE + SILENCE,
        "{waited:?}"
    );
    assert_eq!(cafe.end(&execution).await?.output["cause"], "Customer timedout");
    cafe.record_in(&id, "TIMED_OUT").await?;
    Ok(())
}

/// Asserts that a cancelled workflow ended without saying that it finished.
async fn assert_cancelled(cafe: &Cafe, id: &str, execution: &str, reason: &str) -> Result<()> {
    let ended = cafe.end(execution).await?;
    assert_eq!(ended.status, ExecutionStatus::Succeeded);
    assert_eq!(ended.output["cause"], "The order was cancelled");
    let states = cafe.states(execution).await?;
    assert!(states.contains(&"Emit - order cancelled".to_owned()), "{states:?}");
    assert!(!states.contains(&"Emit - order finished".to_owned()), "{states:?}");
    let record = cafe.record_in(id, "CANCELLED").await?;
    assert_eq!(record["reason"], reason);
    assert_eq!(cafe.put(id, "complete", EVA).await?, answer(409, "conflict"));
    assert_eq!(cafe.put(id, "cancel", ADA).await?, answer(200, "duplicate"));
    assert_eq!(cafe.record(id).await?, record);
    Ok(())
}

#[tokio::test]
async fn an_order_is_cancelled_before_it_is_submitted() -> Result<()> {
    let cafe = Cafe::shared().await?;
    let id = new_id();
    let execution = cafe.order(&id).await?;

    assert_eq!(cafe.put(&id, "cancel", ADA).await?, answer(200, "delivered"));

    assert_cancelled(&cafe, &id, &execution, "cancelled by the customer").await
}

#[tokio::test]
async fn an_order_is_cancelled_after_it_was_submitted() -> Result<()> {
    let cafe = Cafe::shared().await?;
    let id = new_id();
    let execution = cafe.order_latte(&id).await?;

    assert_eq!(cafe.put(&id, "cancel", EVA).await?, answer(200, "delivered"));

    assert_cancelled(&cafe, &id, &execution, "cancelled by the shop").await
}

#[tokio::test]
async fn a_drink_that_is_not_on_the_menu_leaves_the_order_waiting() -> Result<()> {
    let cafe = Cafe::shared().await?;
    let id = new_id();
    let execution = cafe.order(&id).await?;

    assert_eq!(cafe.submit(&id, ADA, "milkshake").await?, answer(400, "malformed"));

    let record = cafe.record(&id).await?;
    assert_eq!((&record["state"], record.get("drinkOrder")), (&json!("CREATED"), None));
    assert_eq!(cafe.states(&execution).await?.last().map(String::as_str), Some("Emit - Workflow Started TT"));
    assert_eq!(cafe.submit(&id, ADA, "Cappuccino").await?, answer(200, "delivered"));
    Ok(())
}

#[tokio::test]
async fn what_is_submitted_twice_never_spends_the_baristas_token() -> Result<()> {
    let cafe = Cafe::shared().await?;
    let id = new_id();
    let execution = cafe.order_latte(&id).await?;
    let record = cafe.record_in(&id, "WAITING_COMPLETION").await?;

    assert_eq!(cafe.submit(&id, ADA, "Latte").await?, answer(200, "duplicate"));
    assert_eq!(cafe.submit(&id, ADA, "Cappuccino").await?, answer(409, "conflict"));

    assert_eq!(cafe.record(&id).await?, record);
    let states = cafe.states(&execution).await?;
    assert_eq!(states.last().map(String::as_str), Some("Emit - Awaiting Completion TT"));
    assert_eq!(cafe.put(&id, "complete", EVA).await?, answer(200, "delivered"));
    assert_eq!(cafe.end(&execution).await?.status, ExecutionStatus::Succeeded);
    Ok(())
}

#[tokio::test]
async fn what_is_not_submitted_is_not_completed() -> Result<()> {
    let cafe = Cafe::shared().await?;
    let id = new_id();
    let execution = cafe.order(&id).await?;

    assert_eq!(cafe.put(&id, "complete", EVA).await?, answer(409, "conflict"));

    assert_eq!(cafe.record(&id).await?["state"], "CREATED");
    assert_eq!(cafe.wait("order-completion", &id).await?.len(), 0);
    assert_eq!(cafe.states(&execution).await?.last().map(String::as_str), Some("Emit - Workflow Started TT"));
    Ok(())
}

#[tokio::test]
async fn what_was_decided_before_the_workflow_waited_for_it_counts() -> Result<()> {
    let cafe = Cafe::shared().await?;
    let config = cafe.stack.sdk_config().await;
    let table = cafe.stack.output("TaskTokensTableName")?;
    let store = DynamoDbTokenStore::new(aws_sdk_dynamodb::Client::new(&config), table);
    let id = new_id();
    for (kind, outcome) in [
        ("order-submission", Outcome::success(r#"{"drink":"Latte"}"#)?),
        ("order-completion", Outcome::failure("OrderCancelled", "out of milk")),
    ] {
        let key = CallbackKey::new(kind, &id)?;
        Rendezvous::new(&store, RecordingTaskCallbacks::default()).complete(&key, outcome).await?;
    }

    let execution = cafe.start(&id, "ada").await?;

    assert_eq!(cafe.end(&execution).await?.output["cause"], "out of milk");
    Ok(())
}

#[tokio::test]
async fn another_customers_order_is_forbidden_and_an_unknown_one_is_not_found() -> Result<()> {
    let cafe = Cafe::shared().await?;
    let id = new_id();
    cafe.order(&id).await?;
    let record = cafe.record(&id).await?;

    assert_eq!(cafe.create(&id, BOB).await?, answer(403, "forbidden"));
    assert_eq!(cafe.submit(&id, BOB, "Latte").await?, answer(403, "forbidden"));
    for action in ["cancel", "heartbeat", "complete"] {
        assert_eq!(cafe.put(&id, action, BOB).await?, answer(403, "forbidden"), "{action}");
    }
    let get = cafe.send(Method::GET, &format!("/orders/{id}"), BOB, Value::Null).await?;
    assert_eq!((get.0, get.1.get("userId")), (403, None));
    assert_eq!(cafe.record(&id).await?, record);

    let unknown = new_id();
    assert_eq!(cafe.submit(&unknown, ADA, "Latte").await?, answer(404, "not found"));
    for action in ["cancel", "heartbeat", "complete"] {
        assert_eq!(cafe.put(&unknown, action, EVA).await?, answer(404, "not found"), "{action}");
    }
    assert_eq!(cafe.record(&unknown).await?["status"], "not found");
    Ok(())
}

#[tokio::test]
async fn an_order_that_is_asked_for_again_runs_once() -> Result<()> {
    let cafe = Cafe::shared().await?;
    let id = new_id();
    let execution = cafe.order(&id).await?;
    let asked = json!({ "orderId": id, "userId": "ada" });

    for _ in 0..3 {
        cafe.put_event("Validator.NewOrder", &asked).await?;
    }
    assert_eq!(cafe.create(&id, ADA).await?, answer(200, "duplicate"));

    let starts = async || {
        let log = cafe.stack.log("OrderStarterFunctionName")?;
        Ok((log.iter().filter(|line| *line.field("order_id") == *id).count() == 4).then_some(()))
    };
    eventually("all four events are taken in", starts).await?;
    let running = cafe.sfn.list_executions().state_machine_arn(cafe.machine()?).into_paginator();
    let running = running.items().send().collect::<Result<Vec<_>, _>>().await?;
    assert_eq!(running.iter().filter(|listed| listed.execution_arn == execution).count(), 1);
    assert_eq!(cafe.put(&id, "cancel", ADA).await?, answer(200, "delivered"));
    cafe.end(&execution).await?;
    cafe.put_event("Validator.NewOrder", &asked).await?;
    cafe.record_in(&id, "CANCELLED").await?;
    Ok(())
}

/// A token that nobody has handed out, and that `no_secrets` knows for one by its looks.
fn made_up_token(name: &str) -> String {
    format!("AQC{name:x<300}")
}

/// The event with which an execution has handed a made-up token out.
fn token_event(execution: &str, id: &str, token: &str, number: Option<u64>) -> Value {
    let mut detail = json!({
        "TaskToken": made_up_token(token), "orderId": id, "userId": "ada", "execution": execution, "startTime": 1,
        "enteredTime": "2026-03-01T09:30:00.000Z", "redriveCount": 0, "retryCount": 0, "timeoutSeconds": 60,
    });
    if let Some(number) = number {
        detail["orderNumber"] = number.to_string().into();
    }
    detail
}

#[tokio::test]
async fn events_that_come_again_or_late_overwrite_nothing() -> Result<()> {
    let cafe = Cafe::shared().await?;
    let listener = cafe.listen("again").await?;
    let id = new_id();
    let execution = cafe.order_latte(&id).await?;
    let record = cafe.record_in(&id, "WAITING_COMPLETION").await?;
    let heard = listener.hear(&id, "OrderProcessor.WaitingCompletion").await?;
    let token = cafe.wait_registered("order-completion", &id).await?;

    let mut events = 0;
    for event in heard.iter().filter(|event| event["detail"].get("TaskToken").is_some()) {
        let detail_type = event["detail-type"].as_str().context("a type")?;
        cafe.put_event(detail_type, &event["detail"]).await?;
        events += 1;
    }
    assert_eq!(events, 2, "both waits were announced");
    // Somebody else's execution of the same order, with a token of its own.
    let intruder = token_event("intruder", &id, "intruder", Some(99));
    cafe.put_event("OrderProcessor.WaitingCompletion", &intruder).await?;
    let left_aside = async || {
        let log = cafe.stack.log("OrderTokenStorerFunctionName")?;
        let mut about = log.iter().filter(|line| *line.field("order_id") == *id);
        let recorded = about.clone().filter(|line| line.message() == "order recorded").count();
        let aside = about.any(|line| line.message() == "event left aside");
        Ok((recorded >= 4 && aside).then_some(()))
    };
    eventually("all events are taken in", left_aside).await?;

    assert_eq!(cafe.record(&id).await?, record);
    assert_eq!(cafe.wait_registered("order-completion", &id).await?, token);
    assert_eq!(cafe.put(&id, "complete", EVA).await?, answer(200, "delivered"));
    assert_eq!(cafe.end(&execution).await?.status, ExecutionStatus::Succeeded);
    Ok(())
}

#[tokio::test]
async fn events_in_the_wrong_order_make_the_same_record() -> Result<()> {
    let cafe = Cafe::shared().await?;
    let id = new_id();

    cafe.put_event("OrderProcessor.WaitingCompletion", &token_event("e", &id, "second", Some(7))).await?;
    cafe.record_in(&id, "WAITING_COMPLETION").await?;
    cafe.put_event("OrderProcessor.WorkflowStarted", &token_event("e", &id, "first", None)).await?;
    let second = async || {
        let log = cafe.stack.log("OrderTokenStorerFunctionName")?;
        let recorded =
            log.iter().filter(|line| *line.field("order_id") == *id && line.message() == "order recorded");
        Ok((recorded.count() == 2).then_some(()))
    };
    eventually("both events are taken in", second).await?;

    let record = cafe.record(&id).await?;
    assert_eq!((&record["state"], &record["orderNumber"]), (&json!("WAITING_COMPLETION"), &json!(7)));
    assert_eq!(cafe.wait_registered("order-completion", &id).await?, made_up_token("second"));
    Ok(())
}

#[tokio::test]
async fn a_workflow_that_is_stopped_gives_its_place_back_and_its_record_says_so() -> Result<()> {
    let cafe = Cafe::shared().await?;
    let id = new_id();
    let execution = cafe.order(&id).await?;
    assert!(cafe.places().await?.contains(&id));

    cafe.sfn.stop_execution().execution_arn(&execution).send().await?;

    let record = cafe.record_in(&id, "FAILED").await?;
    assert_eq!(record["reason"], "the workflow ended as ABORTED");
    assert!(!cafe.places().await?.contains(&id));
    assert_eq!(cafe.submit(&id, ADA, "Latte").await?, answer(410, "late"));
    Ok(())
}

#[tokio::test]
async fn an_input_that_is_no_order_fails_and_takes_no_place() -> Result<()> {
    let cafe = Cafe::shared().await?;
    for detail in
        [json!(null), json!({ "orderId": 1, "userId": "a" }), json!({ "orderId": "a b", "userId": "a" })]
    {
        let input = json!({ "detail": detail });
        let execution =
            local_stack::execution::Execution::run(&cafe.sfn, cafe.machine()?, &input, DEADLINE).await?;

        assert_eq!(execution.error.as_deref(), Some("OrderMalformed"), "{input}");
    }
    Ok(())
}

#[tokio::test]
async fn a_closed_shop_takes_no_order() -> Result<()> {
    let cafe = Cafe::own("order-closed", &[]).await?;
    let [unconfigured, closed, open] = [new_id(), new_id(), new_id()];

    cafe.create(&unconfigured, ADA).await?;
    assert_eq!(cafe.record_in(&unconfigured, "REFUSED").await?["reason"], "Shop closed");
    cafe.close().await?;
    cafe.create(&closed, ADA).await?;
    assert_eq!(cafe.record_in(&closed, "REFUSED").await?["reason"], "Shop closed");
    let states = cafe.states(&cafe.execution_of(&closed)?).await?;
    assert_eq!(states.last().map(String::as_str), Some("Emit - Shop not ready"));
    assert_eq!(cafe.submit(&closed, ADA, "Latte").await?, answer(410, "late"));
    cafe.open().await?;
    cafe.order(&open).await?;
    Ok(())
}

#[tokio::test]
async fn what_people_wrote_can_be_restored_and_outlives_the_stack() -> Result<()> {
    let cafe = Cafe::own("order-deleted", &[]).await?;
    cafe.open().await?;
    cafe.order(&new_id()).await?;
    let tables = ["OrdersTableName", "ShopConfigTableName", "OrderCountingTableName"];
    for table in tables {
        assert!(cafe.is_restorable(table).await?, "{table}");
    }

    let delete = "Action=DeleteStack&Version=2010-05-15&StackName=sfn-callbacks".to_owned();
    cafe.stack.request("cloudformation", "/", delete).await?;

    let deleted = async || Ok(cafe.count("TaskTokensTableName").await?.is_none().then_some(()));
    eventually("the stack is deleted", deleted).await?;
    for table in tables {
        assert!(cafe.count(table).await?.is_some_and(|items| items > 0), "{table}");
    }
    Ok(())
}

#[tokio::test]
async fn a_place_that_was_left_behind_is_found_when_it_is_needed() -> Result<()> {
    let cafe = Cafe::own("order-places", &["ShopCapacity=1"]).await?;
    cafe.open().await?;
    cafe.take_place("gone", "2020-01-01T00:00:00.000Z").await?;
    let [taken, refused] = [new_id(), new_id()];

    cafe.order(&taken).await?;
    cafe.create(&refused, ADA).await?;

    assert_eq!(cafe.places().await?, [taken]);
    assert_eq!(cafe.record_in(&refused, "REFUSED").await?["reason"], "No capacity");
    Ok(())
}
