//! A coffee, ordered by a customer and made by a barista, by HTTP.

use std::{
    collections::HashMap,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Result, bail};
use aws_sdk_dynamodb::types::AttributeValue::{self, Bool, L, M, S};
use aws_sdk_sfn::types::ExecutionStatus;
use local_stack::{FunctionRequest, Progress, Stack, execution::Execution};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::sleep;

/// Longer than anything here takes.
const DEADLINE: Duration = Duration::from_secs(60);
const CUSTOMER: (&str, &str) = ("x-user-id", "ada");
const BARISTA: (&str, &str) = ("x-barista-id", "eva");

/// Something that was asked over HTTP, and what was answered.
struct Exchange {
    who: &'static str,
    request: String,
    code: u16,
    answer: Value,
}

/// Orders and makes one coffee, prints who said what, and says whether the workflow came to its good end.
pub(crate) async fn run(stack: &Stack, progress: &Progress, as_json: bool) -> Result<bool> {
    let step = progress.step("Order: waiting for the customer and the barista");
    open_shop(stack).await?;
    let id = format!("demo-{}", SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis());
    let latte = json!({ "drink": "Latte", "modifiers": ["Oat milk"] });
    let action = |action: &str| format!("/orders/{id}/{action}");
    let started = Instant::now();

    let mut said = vec![send(stack, Method::POST, "/orders", CUSTOMER, &json!({ "orderId": id })).await?];
    wait_for(stack, &id, "CREATED").await?;
    said.push(send(stack, Method::PUT, &action("submit"), CUSTOMER, &latte).await?);
    wait_for(stack, &id, "WAITING_COMPLETION").await?;
    said.push(send(stack, Method::GET, &format!("/orders/{id}"), BARISTA, &Value::Null).await?);
    said.push(send(stack, Method::PUT, &action("complete"), BARISTA, &Value::Null).await?);

    let machine = stack.output("OrderProcessorStateMachineArn")?;
    let arn = format!("{}:{id}", machine.replace(":stateMachine:", ":execution:"));
    let sfn = aws_sdk_sfn::Client::new(&stack.sdk_config().await);
    let execution = Execution::end(&sfn, &arn, DEADLINE).await?;
    let seconds = started.elapsed().as_secs_f64();
    let order = wait_for(stack, &id, "COMPLETED").await?;
    step.done();

    let as_expected = execution.status == ExecutionStatus::Succeeded
        && order["drinkOrder"] == latte
        && said.iter().all(|exchange| exchange.code < 300);
    progress.pause(|| {
        if as_json {
            let line = json!({
                "workflow": "order-processor",
                "execution": execution.arn,
                "status": execution.status.as_str(),
                "output": execution.output,
                "order": order,
                "as_expected": as_expected,
                "seconds": seconds,
            });
            println!("{line}");
        } else {
            println!("\nOrder");
            println!("  {:<34}{}", "ended", execution.status);
            println!("  {:<34}{seconds:.1}", "seconds");
            for Exchange { who, request, code, answer } in &said {
                println!("  {who:<13}{request}\n  {:<13}{code} {answer}", "");
            }
            println!("  order-processor  {}", execution.output);
            if !as_expected {
                println!("  NOT AS EXPECTED: {} {:?} {:?}", execution.arn, execution.error, execution.cause);
            }
        }
    });
    Ok(as_expected)
}

/// Writes what people write when they open a shop.
async fn open_shop(stack: &Stack) -> Result<()> {
    let dynamodb = aws_sdk_dynamodb::Client::new(&stack.sdk_config().await);
    let milk = map([("Name", text("Milk")), ("Options", L(vec![text("Oat milk"), text("Soy milk")]))]);
    let latte = map([("drink", text("Latte")), ("modifiers", L(vec![M(milk)]))]);
    let cappuccino = map([("drink", text("Cappuccino")), ("modifiers", L(vec![]))]);
    let config = map([("PK", text("config")), ("storeOpen", Bool(true))]);
    let menu = map([("PK", text("menu")), ("value", L(vec![M(cappuccino), M(latte)]))]);
    for item in [config, menu] {
        let table = stack.output("ShopConfigTableName")?;
        dynamodb.put_item().table_name(table).set_item(Some(item)).send().await?;
    }
    Ok(())
}

async fn send(
    stack: &Stack,
    method: Method,
    path: &str,
    who: (&'static str, &'static str),
    body: &Value,
) -> Result<Exchange> {
    let request =
        FunctionRequest { function: "order-manager", method: method.clone(), path, headers: &[who], body };
    let (code, answer) = stack.call(&request).await?;
    let body = if body.is_null() { String::new() } else { format!(" {body}") };
    let who = if who == CUSTOMER { "the customer" } else { "the barista" };
    Ok(Exchange { who, request: format!("{method} {path}{body}"), code, answer })
}

/// Waits until the order's record says that it is in a state.
async fn wait_for(stack: &Stack, id: &str, state: &str) -> Result<Value> {
    let give_up = Instant::now() + DEADLINE;
    loop {
        let order = send(stack, Method::GET, &format!("/orders/{id}"), BARISTA, &Value::Null).await?.answer;
        if order["state"] == state {
            return Ok(order);
        }
        if Instant::now() > give_up {
            bail!("order {id} is not {state} after {} s: {order}", DEADLINE.as_secs());
        }
        sleep(Duration::from_millis(100)).await;
    }
}

fn text(text: &str) -> AttributeValue {
    S(text.to_owned())
}

fn map<const N: usize>(fields: [(&str, AttributeValue); N]) -> HashMap<String, AttributeValue> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
