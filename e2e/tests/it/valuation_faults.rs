//! The valuation, when a function dies between its write and its delivery, or a key is rotated. On a stack of its own,
//! one test after the other: a fault strikes whoever calls next.

use anyhow::Result;
use aws_sdk_sfn::types::{ExecutionStatus, HistoryEventType};
use local_stack::{
    execution::{Execution, history},
    functions::{Action, Fault, When},
};

use crate::{
    office::Office,
    turn::{Turn, TurnStack, own},
};

/// The office that tests disturb.
async fn office_in_turn() -> Result<Turn<Office>> {
    static STACK: TurnStack = TurnStack::new();
    let parameters =
        ["ValuationTimeoutSeconds=150", "ReconcileAfterSeconds=0", "SigningKeysRefreshSeconds=1"];
    STACK.take("valuation-faults", &parameters, Office::of).await
}

impl Office {
    /// Kills a function, by the template output of its name, the next time it has called `operation`.
    async fn kill_after(&self, function: &str, operation: &'static str) -> Result<()> {
        let function = self.stack.output(function)?.to_owned();
        self.stack
            .arm(&Fault { function, operation, when: When::After, action: Action::Kill, times: 1 })
            .await
    }

    /// Applies for a loan and waits until the wait is registered.
    async fn waiting_application(&self) -> Result<(String, String)> {
        let execution = self.apply("none").await?;
        let reference = self.reference(&execution).await?;
        Ok((execution, reference))
    }

    /// How often the waiting task of an execution has been resumed.
    async fn resumed(&self, execution: &str) -> Result<usize> {
        let events = history(&self.sfn, execution).await?;
        Ok(events.iter().filter(|event| event.r#type == HistoryEventType::TaskSucceeded).count())
    }

    /// How often the reconciler said `message` about a reference; or at all.
    fn reconciler_said(&self, message: &str, reference: Option<&str>) -> Result<usize> {
        let key = reference.map(|reference| format!("valuation#{reference}"));
        let lines = self.stack.log("CallbackReconcilerFunctionName")?;
        let said = lines.iter().filter(|line| {
            line.message() == message
                && key.as_ref().is_none_or(|key| line.field("callback_key") == key.as_str())
        });
        Ok(said.count())
    }
}

fn assert_valued(execution: &Execution) {
    assert_eq!(execution.status, ExecutionStatus::Succeeded, "{:?} {:?}", execution.error, execution.cause);
    assert_eq!(execution.output["propertyValue"], 666_000);
}

#[tokio::test]
async fn a_valuation_whose_webhook_died_and_is_not_sent_again_is_delivered_by_the_schedule() -> Result<()> {
    // The schedule comes once a minute: a stack of its own, so that no other test waits for that.
    let parameters = ["ValuationTimeoutSeconds=150", "ReconcileAfterSeconds=0"];
    let office = own("valuation-schedule", &parameters, Office::of).await?;
    let (execution, reference) = office.waiting_application().await?;
    office.kill_after("ValuationCallbackFunctionName", "dynamodb:UpdateItem").await?;

    let status = office.call_back(&reference, 666_000).await?;

    assert!(status.is_server_error(), "{status}");
    assert_valued(&office.end(&execution).await?);
    assert_eq!(office.delivery(&reference).await?, "delivered");
    assert_eq!(office.reconciler_said("delivery finished", Some(&reference))?, 1);
    assert_eq!(office.resumed(&execution).await?, 1);
    Ok(())
}

#[tokio::test]
async fn a_valuation_whose_webhook_died_and_is_sent_again_is_delivered_by_that() -> Result<()> {
    let office = office_in_turn().await?;
    office.kill_after("ValuationCallbackFunctionName", "dynamodb:UpdateItem").await?;

    let application = office.run("999").await?;

    assert_valued(&application);
    let reference = office.reference(&application.arn).await?;
    let answers = office.answers(&reference, 2).await?;
    assert!(answers[0].0 >= 500, "{answers:?}");
    assert_eq!((answers[1].0, answers[1].1.as_str()), (200, "delivered"));
    assert_eq!(office.delivery(&reference).await?, "delivered");

    office.reconcile().await?;

    assert_eq!(office.reconciler_said("delivery finished", Some(&reference))?, 0);
    assert_eq!(office.delivery(&reference).await?, "delivered");
    assert_eq!(office.resumed(&application.arn).await?, 1);
    Ok(())
}

#[tokio::test]
async fn a_delivery_that_was_not_recorded_is_repeated_and_resumes_nothing_twice() -> Result<()> {
    let office = office_in_turn().await?;
    let (execution, reference) = office.waiting_application().await?;
    office.kill_after("ValuationCallbackFunctionName", "states:SendTaskSuccess").await?;

    let status = office.call_back(&reference, 666_000).await?;
    assert!(status.is_server_error(), "{status}");
    assert_valued(&office.end(&execution).await?);
    office.reconcile().await?;

    // The task was gone at a repeat: nobody can say whether the first sending had closed it.
    assert_eq!(office.delivery(&reference).await?, "unconfirmed");
    assert_eq!(office.resumed(&execution).await?, 1);
    assert_eq!(office.call_back(&reference, 666_000).await?, 200);
    assert_eq!(office.call_back(&reference, 1).await?, 200);
    Ok(())
}

#[tokio::test]
async fn a_requester_that_died_is_invoked_again() -> Result<()> {
    let office = office_in_turn().await?;
    office.kill_after("ValuationRequesterFunctionName", "dynamodb:UpdateItem").await?;

    let application = office.run("999").await?;

    assert_valued(&application);
    let reference = office.reference(&application.arn).await?;
    assert_eq!(office.answers(&reference, 1).await?, [(200, "delivered".to_owned())]);
    Ok(())
}

#[tokio::test]
async fn an_early_valuation_whose_requester_died_is_used_by_the_one_that_is_invoked_next() -> Result<()> {
    let office = office_in_turn().await?;
    office.kill_after("ValuationRequesterFunctionName", "dynamodb:UpdateItem").await?;

    // It dies with both halves in its hands. The one that is invoked next has a newer token.
    let application = office.run("early").await?;

    assert_valued(&application);
    assert_eq!(office.delivery(&office.reference(&application.arn).await?).await?, "delivered");
    Ok(())
}

#[tokio::test]
async fn a_wait_and_its_outcome_cost_one_write_each_one_for_the_delivery_and_no_read() -> Result<()> {
    let office = office_in_turn().await?;
    let requester = office.stack.output("ValuationRequesterFunctionName")?.to_owned();
    let callback = office.stack.output("ValuationCallbackFunctionName")?.to_owned();
    let before =
        (office.stack.requests(&requester).await?.len(), office.stack.requests(&callback).await?.len());

    let application = office.run("999").await?;

    assert_valued(&application);
    office.delivery(&office.reference(&application.arn).await?).await?;
    let of_requester = office.stack.requests(&requester).await?.split_off(before.0);
    let of_callback = office.stack.requests(&callback).await?.split_off(before.1);
    assert_eq!(of_requester, ["dynamodb:UpdateItem"]);
    let but_for_keys: Vec<_> =
        of_callback.iter().filter(|operation| !operation.starts_with("secretsmanager:")).collect();
    assert_eq!(but_for_keys, ["dynamodb:UpdateItem", "states:SendTaskSuccess", "dynamodb:UpdateItem"]);
    Ok(())
}

#[tokio::test]
async fn after_a_rotation_both_the_new_and_the_previous_key_are_accepted() -> Result<()> {
    let office = office_in_turn().await?;
    // The webhook knows the old key.
    assert_valued(&office.run("999").await?);
    office.rotate_the_key().await?;

    for (house, answer) in [("rotated", (200, "delivered")), ("999", (200, "delivered"))] {
        let application = office.run(house).await?;

        assert_valued(&application);
        let reference = office.reference(&application.arn).await?;
        let answers = office.answers(&reference, 1).await?;
        assert_eq!((answers[0].0, answers[0].1.as_str()), answer);
    }
    Ok(())
}
