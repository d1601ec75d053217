//! Every permission of the pizza's part of the template is needed: without it, a workflow does not end as it should.

use anyhow::Result;
use aws_sdk_sfn::types::ExecutionStatus;
use local_stack::StackDescription;
use serde_json::json;

use crate::{
    kitchen::{Kitchen, pizza},
    permissions::{Permission, assert_each_is_needed},
};

const PERMISSIONS: [Permission; 10] = [
    ("PizzaPollingStateMachine", "SQSSendMessagePolicy:"),
    ("PizzaPollingStateMachine", "LambdaInvokePolicy:"),
    ("PizzaCallbackStateMachine", "SQSSendMessagePolicy:"),
    ("PizzaBakerFunction", "SQSPollerPolicy:"),
    ("PizzaBakerFunction", "Sid: PutBackIntoTheOven"),
    ("PizzaBakerFunction", "Sid: RecordTheResult"),
    ("PizzaBakerFunction", "Sid: ResumeTheWorkflow"),
    ("PizzaBakerFunction", "Sid: FailTheWorkflow"),
    ("PizzaBakerFunction", "Sid: BeatWhileItBakes"),
    ("PizzaStatusFunction", "Sid: ReadTheResult"),
];

/// Workflows that give up soon, so that a missing permission shows soon.
const IMPATIENT: [&str; 3] = ["OrderTimeoutSeconds=10", "HeartbeatSeconds=5", "OrderVisibilitySeconds=10"];

/// Deploys the template as a stack of its own and says whether its pizza workflows do all that they should.
async fn pizza_works(stack_name: String, template: String) -> Result<bool> {
    let shared = StackDescription::of_this_test_run()?;
    let stack = shared.deploy_copy(&stack_name, &template, &IMPATIENT).await?;
    let kitchen = Kitchen::of(stack).await;

    let (polling, callback, refused) = tokio::try_join!(
        kitchen.polling(json!({ "order": "pizza margherita", "bakeTime": 1, "waitTime": 1 })),
        kitchen.callback(json!({ "order": "pizza funghi", "bakeTime": 1 })),
        kitchen.callback(json!({ "name": "an order of nothing" })),
    )?;
    Ok(polling.status == ExecutionStatus::Succeeded
        && polling.output == pizza("pizza margherita")
        && callback.output == pizza("pizza funghi")
        && refused.cause.is_some_and(|cause| cause.starts_with("the order does not say what to bake")))
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_one_of_its_permissions_pizza_does_not_work() -> Result<()> {
    assert_each_is_needed("pizza-permissions", &PERMISSIONS, pizza_works).await
}
