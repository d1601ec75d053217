//! Every permission of the valuation's part of the template is needed: without it, a property is not valued as it should.

use anyhow::Result;
use local_stack::StackDescription;

use crate::{
    office::{Application, Office},
    permissions::{Permission, assert_each_is_needed},
};

const PERMISSIONS: [Permission; 11] = [
    ("LoanProcessorStateMachine", "LambdaInvokePolicy:"),
    ("ValuationRequesterFunction", "Sid: RegisterTheWait"),
    ("ValuationRequesterFunction", "Sid: DeliverAnEarlyValuation"),
    ("ValuationRequesterFunction", "Sid: DeliverAnEarlyFailure"),
    ("ValuationCallbackFunction", "Sid: RecordTheOutcome"),
    ("ValuationCallbackFunction", "Sid: DeliverTheValuation"),
    ("ValuationCallbackFunction", "Sid: DeliverTheFailure"),
    ("ValuationCallbackFunction", "Sid: ReadTheSigningKeys"),
    ("ValuationServiceStateMachine", "LambdaInvokePolicy:"),
    ("ValuationServiceFunction", "Sid: ScheduleTheResponse"),
    ("ValuationServiceFunction", "Sid: ReadTheSigningKeys"),
];

/// Says whether each kind of house ends as it should.
async fn valuation_works(stack_name: String, template: String) -> Result<bool> {
    let shared = StackDescription::of_this_test_run()?;
    let parameters = ["ValuationTimeoutSeconds=8", "ValuationDelaySeconds=3"];
    let office = Office::of(shared.deploy_copy(&stack_name, &template, &parameters).await?).await;

    for (house, error) in [
        ("999", None),
        ("early", None),
        ("failed", Some("ValuationFailed")),
        ("early-failed", Some("ValuationFailed")),
    ] {
        let Application { execution, .. } = office.run(house).await?;
        if execution.error.as_deref() != error {
            return Ok(false);
        }
    }
    Ok(true)
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_one_of_its_permissions_the_valuation_does_not_work() -> Result<()> {
    assert_each_is_needed("valuation-permissions", &PERMISSIONS, valuation_works).await
}
