//! Every permission of the template is needed: without it, a workflow does not end as it should.

use anyhow::{Context, Result};
use aws_sdk_sfn::types::ExecutionStatus;
use futures_util::{StreamExt, TryStreamExt, stream};
use local_stack::StackDescription;
use serde_json::json;

use crate::kitchen::{Kitchen, pizza};

/// Where a permission stands in the template: the resource and the first line of the list item.
const PIZZA_PERMISSIONS: [(&str, &str); 10] = [
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
async fn pizza_works(stack_name: &str, template: &str) -> Result<bool> {
    let stack = StackDescription::of_this_test_run()?.deploy_copy(stack_name, template, &IMPATIENT).await?;
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

/// The template without one item of a list in the resource.
pub(crate) fn without(template: &str, resource: &str, item: &str) -> Option<String> {
    let resource_at = template.find(&format!("\n  {resource}:\n"))?;
    let item_at = resource_at + template[resource_at..].find(&format!("- {item}\n"))?;
    let line_at = template[..item_at].rfind('\n')? + 1;
    let indent = item_at - line_at;
    let deeper = |line: &&str| line.len() - line.trim_start().len() > indent;
    let item_length: usize =
        template[line_at..].split_inclusive('\n').skip(1).take_while(deeper).map(str::len).sum();
    let first_line_length = template[line_at..].find('\n')? + 1;
    Some(format!("{}{}", &template[..line_at], &template[line_at + first_line_length + item_length..]))
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_one_of_its_permissions_pizza_does_not_work() -> Result<()> {
    let template = &StackDescription::of_this_test_run()?.built_template()?;
    assert!(pizza_works("permissions", template).await?, "the copy with all permissions works");

    let not_needed: Vec<_> = stream::iter(PIZZA_PERMISSIONS.iter().enumerate())
        .map(async |(number, (resource, item))| {
            let changed =
                without(template, resource, item).with_context(|| format!("{resource} has no {item}"))?;
            let works = pizza_works(&format!("permissions-{number}"), &changed).await?;
            anyhow::Ok(works.then_some((resource, item)))
        })
        .buffer_unordered(2)
        .try_filter_map(async |not_needed| Ok(not_needed))
        .try_collect()
        .await?;

    assert!(not_needed.is_empty(), "these can be taken away: {not_needed:?}");
    Ok(())
}
