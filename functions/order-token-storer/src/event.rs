//! What the order processor says, and what Step Functions says of it.

use orders::{Fact, OrderId, Progress, Run, UserId};
use serde::Deserialize;
use token_store::WaitingTask;

/// An event that EventBridge delivers: `{"detail-type", "detail", …}`.
#[derive(Debug, Deserialize)]
#[serde(tag = "detail-type", content = "detail")]
pub(crate) enum OrderEvent {
    /// The workflow waits for the customer.
    #[serde(rename = "OrderProcessor.WorkflowStarted")]
    WorkflowStarted(Waiting),
    /// The workflow waits for a barista.
    #[serde(rename = "OrderProcessor.WaitingCompletion")]
    WaitingCompletion(Waiting),
    /// The order is made.
    #[serde(rename = "OrderProcessor.orderFinished")]
    Finished(Ended),
    /// Somebody was silent for too long.
    #[serde(rename = "OrderProcessor.OrderTimeOut")]
    TimedOut(Ended),
    /// The order was given up.
    #[serde(rename = "OrderProcessor.OrderCancelled")]
    Cancelled(Ended),
    /// The shop did not take the order.
    #[serde(rename = "OrderProcessor.ShopUnavailable")]
    Refused(Ended),
    /// Step Functions itself: an execution failed, was stopped or ran out of time.
    #[serde(rename = "Step Functions Execution Status Change")]
    ExecutionBroke(Broken),
}

/// A wait begins.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Waiting {
    order_id: OrderId,
    user_id: UserId,
    #[serde(default)]
    order_number: Option<String>,
    start_time: u64,
    #[serde(flatten)]
    pub(crate) task: WaitingTask,
}

/// The workflow comes to an end.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ended {
    order_id: OrderId,
    user_id: UserId,
    #[serde(default)]
    cause: String,
    execution: String,
    start_time: u64,
}

/// An execution has ended without saying so itself.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Broken {
    execution_arn: String,
    /// Name of the execution.
    pub(crate) name: String,
    status: String,
    start_date: u64,
    input: Option<String>,
    error: Option<String>,
}

/// The number of an order is not a number.
#[derive(Debug, thiserror::Error)]
#[error("the order number is missing or not a number")]
pub(crate) struct InvalidNumber;

impl Waiting {
    /// What it says of the order: that the workflow waits for the customer.
    pub(crate) fn started(&self) -> Fact {
        self.fact(Progress::Started)
    }

    /// What it says of the order: its number, and that the workflow waits for a barista.
    ///
    /// # Errors
    ///
    /// [`InvalidNumber`].
    pub(crate) fn numbered(&self) -> Result<Fact, InvalidNumber> {
        let number = self.order_number.as_deref().and_then(|number| number.parse().ok());
        Ok(self.fact(Progress::WaitingCompletion { number: number.ok_or(InvalidNumber)? }))
    }

    fn fact(&self, progress: Progress) -> Fact {
        Fact {
            order_id: self.order_id.clone(),
            user_id: self.user_id.clone(),
            run: Run { execution: self.task.execution.clone(), started_at_epoch_ms: self.start_time },
            progress,
        }
    }
}

impl Ended {
    /// What it says of the order; `progress` makes the end of its cause.
    pub(crate) fn fact(self, progress: impl FnOnce(String) -> Progress) -> Fact {
        Fact {
            order_id: self.order_id,
            user_id: self.user_id,
            run: Run { execution: self.execution, started_at_epoch_ms: self.start_time },
            progress: progress(self.cause),
        }
    }
}

impl Broken {
    /// What it says of the order that the execution was started for; nothing when it was started for none.
    pub(crate) fn fact(&self) -> Option<Fact> {
        #[derive(Deserialize)]
        struct Input {
            detail: Order,
        }

        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Order {
            order_id: OrderId,
            user_id: UserId,
        }

        let Order { order_id, user_id } = serde_json::from_str::<Input>(self.input.as_deref()?).ok()?.detail;
        let error = self.error.as_deref().map(|error| format!(": {error}")).unwrap_or_default();
        Some(Fact {
            order_id,
            user_id,
            run: Run { execution: self.execution_arn.clone(), started_at_epoch_ms: self.start_date },
            progress: Progress::Failed { cause: format!("the workflow ended as {}{error}", self.status) },
        })
    }
}
