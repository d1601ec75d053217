//! Every permission of the pizza's part of the template is needed: without it, a workflow does not end as it should.

use anyhow::Result;
use aws_sdk_sfn::types::ExecutionStatus;
use local_stack::StackDescription;
use serde_json::json;

use crate::{
    kitchen::{Kitchen, pizza},
    permissions::Policies,
};

const RESOURCES: [&str; 4] =
    ["PizzaPollingStateMachine", "PizzaCallbackStateMachine", "PizzaBakerFunction", "PizzaStatusFunction"];
/// Workflows that give up soon, so that a missing permission shows soon.
const IMPATIENT: [&str; 3] = ["OrderTimeoutSeconds=10", "HeartbeatSeconds=5", "OrderVisibilitySeconds=10"];

/// Whether the pizza workflows do all that they should.
async fn pizza_works(kitchen: &Kitchen) -> Result<bool> {
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
    let shared = StackDescription::of_this_test_run()?;
    let stack = shared.deploy_copy("pizza-permissions", &shared.built_template()?, &IMPATIENT).await?;
    let kitchen = Kitchen::of(stack).await;
    let policies = Policies::of(&kitchen.stack).await;
    policies.assert_each_is_needed(&RESOURCES, 10, async || pizza_works(&kitchen).await).await
}
