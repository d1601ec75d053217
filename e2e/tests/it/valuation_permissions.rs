//! Every permission of the valuation's part of the template is needed: without it, a property is not valued as it should.

use anyhow::Result;
use local_stack::StackDescription;

use crate::{office::Office, permissions::Policies};

const RESOURCES: [&str; 5] = [
    "LoanProcessorStateMachine",
    "ValuationRequesterFunction",
    "ValuationCallbackFunction",
    "ValuationServiceStateMachine",
    "ValuationServiceFunction",
];

/// Whether each kind of house ends as it should.
async fn valuation_works(office: &Office) -> Result<bool> {
    for (house, error) in [
        ("999", None),
        ("early", None),
        ("failed", Some("ValuationFailed")),
        ("early-failed", Some("ValuationFailed")),
    ] {
        let execution = office.run(house).await?;
        if execution.error.as_deref() != error {
            return Ok(false);
        }
    }
    Ok(true)
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_one_of_its_permissions_the_valuation_does_not_work() -> Result<()> {
    let shared = StackDescription::of_this_test_run()?;
    let parameters = ["ValuationTimeoutSeconds=8", "ValuationDelaySeconds=3", "ReconcileAfterSeconds=60"];
    let stack = shared.deploy_copy("valuation-permissions", &shared.built_template()?, &parameters).await?;
    let office = Office::of(stack).await;
    let policies = Policies::of(&office.stack).await;
    policies.assert_each_is_needed(&RESOURCES, 11, async || valuation_works(&office).await).await
}
