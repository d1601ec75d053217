//! Stand-ins for DynamoDB and Step Functions, for tests and examples: they hold what they are given in memory.

mod memory;
mod recording;

use crate::{TaskToken, WaitingTask, wait::LateOutcomes};

pub use memory::MemoryTokenStore;
pub use recording::RecordingTaskCallbacks;

/// A task that began to wait at 09:30 on 1 March 2026 and waits for an hour from when it is registered. Change its fields
/// for another one.
#[must_use]
pub fn waiting_task(token: TaskToken) -> WaitingTask {
    WaitingTask {
        task_token: token,
        execution: "arn:aws:states:eu-west-1:123456789012:execution:loan:17".to_owned(),
        entered_time: "2026-03-01T09:30:00.000Z".to_owned(),
        redrive_count: 0,
        retry_count: 0,
        timeout_seconds: 3_600,
        late_outcomes: LateOutcomes::default(),
    }
}
