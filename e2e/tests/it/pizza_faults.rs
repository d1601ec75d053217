//! The pizza workflows, when the baker breaks. On a stack of their own: a fault strikes whoever calls next.

use anyhow::Result;
use aws_sdk_sfn::types::ExecutionStatus;
use local_stack::{
    StackDescription,
    functions::{Action, Fault, When},
};
use serde_json::json;

use crate::{
    kitchen::{Kitchen, pizza},
    turn::own,
};

struct Expected {
    /// How often the pizza was ready for this execution.
    ready: usize,
    /// How often the baker heard that it had resumed the workflow.
    resumed: usize,
}

async fn the_pizza_still_comes(kitchen: &Kitchen, fault: Fault, expected: Expected) -> Result<()> {
    let name = format!("{} {:?} {:?}", fault.operation, fault.when, fault.action);
    kitchen.stack.arm(&fault).await?;

    let execution = kitchen.callback(json!({ "order": "pizza diavola", "bakeTime": 1 })).await?;

    assert_eq!(
        (execution.status, execution.output),
        (ExecutionStatus::Succeeded, pizza("pizza diavola")),
        "{name}"
    );
    kitchen.hears(&execution.arn, "pizza ready", expected.ready).await?;
    assert_eq!(kitchen.said(&execution.arn, "workflow resumed")?, expected.resumed, "{name}");
    let faults = kitchen.stack.faults().await?;
    let armed = faults.iter().rfind(|armed| armed.function == fault.function);
    assert!(armed.is_some_and(|armed| armed.fired == 1), "{name} did not strike");
    Ok(())
}

#[tokio::test]
async fn a_baker_that_breaks_while_it_works_still_brings_the_pizza() -> Result<()> {
    let kitchen = own("pizza-faults", &["OrderVisibilitySeconds=10"], Kitchen::of).await?;
    let baker = kitchen.stack.output("PizzaBakerFunctionName")?.to_owned();
    let fault =
        |operation, when, action| Fault { function: baker.clone(), operation, when, action, times: 1 };
    let throttled = Action::Error { error: "ThrottlingException" };

    // Killed with the pizza in its hands, or just after it was served: the message comes again.
    let killed = fault("states:SendTaskSuccess", When::Before, Action::Kill);
    the_pizza_still_comes(&kitchen, killed, Expected { ready: 2, resumed: 1 }).await?;
    let killed = fault("states:SendTaskSuccess", When::After, Action::Kill);
    the_pizza_still_comes(&kitchen, killed, Expected { ready: 2, resumed: 0 }).await?;

    // Killed at the oven: before, the pizza goes in late; after, it comes again and finds its workflow resumed.
    let killed = fault("sqs:SendMessage", When::Before, Action::Kill);
    the_pizza_still_comes(&kitchen, killed, Expected { ready: 1, resumed: 1 }).await?;
    let killed = fault("sqs:SendMessage", When::After, Action::Kill);
    the_pizza_still_comes(&kitchen, killed, Expected { ready: 1, resumed: 1 }).await?;

    // Throttled: the SDK tries again by itself.
    let throttled = fault("states:SendTaskSuccess", When::Before, throttled);
    the_pizza_still_comes(&kitchen, throttled, Expected { ready: 1, resumed: 1 }).await?;
    Ok(())
}

#[tokio::test]
async fn a_deployment_that_fails_says_which_resource() -> Result<()> {
    let shared = StackDescription::of_this_test_run()?;
    let template =
        shared.packaged_template()?.replace("Type: AWS::SQS::Queue\n", "Type: AWS::SQS::NoSuchThing\n");

    let failed = shared.deploy_copy("not-deployable", &template, &[]).await;

    let error = format!("{:#}", failed.unwrap_err());
    assert!(error.contains("sam deploy of not-deployable failed"), "{error}");
    assert!(error.contains("AWS::SQS::NoSuchThing"), "{error}");
    Ok(())
}
