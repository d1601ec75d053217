//! The event that tells the end of a job, whatever service runs the job.

use serde::Deserialize;
use serde_json::{Map, Value};
use token_store::Outcome;

use crate::failure::JOB_FAILED;

/// An EventBridge event. Only its `detail` counts: the rule has chosen the source and the type.
#[derive(Debug, Deserialize)]
pub(crate) struct JobEvent {
    detail: Map<String, Value>,
}

/// Where the detail of a service's event says what. All fields are at the top of the detail.
#[derive(Debug)]
pub(crate) struct EventFields {
    /// Has the id that the service gave when the job was started.
    pub(crate) run_id: String,
    /// Has the status with which the job ended.
    pub(crate) status: String,
    /// The status that means success. Any other is a failure.
    pub(crate) success: String,
    /// Has the reason of a failure, when the service gives one.
    pub(crate) reason: String,
}

/// How a job ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct JobEnd {
    pub(crate) run_id: String,
    /// The detail for success, `JobFailed` with the reason for anything else.
    pub(crate) outcome: Outcome,
}

/// The detail has no text in a field that it must have.
#[derive(Debug, thiserror::Error)]
#[error("the event's detail has no text in the field `{field}`")]
pub(crate) struct FieldMissing {
    field: String,
}

impl JobEvent {
    /// Reads how the job ended.
    ///
    /// # Errors
    ///
    /// [`FieldMissing`] without the id of the run or its status.
    pub(crate) fn end(&self, fields: &EventFields) -> Result<JobEnd, FieldMissing> {
        let run_id = self.required(&fields.run_id)?;
        let status = self.required(&fields.status)?;
        let outcome = if status == fields.success {
            let detail = serde_json::to_string(&self.detail).expect("JSON values always serialize");
            // The job has succeeded, but a workflow that cannot be given its result must not wait on.
            Outcome::success(detail).unwrap_or_else(|error| {
                Outcome::failure(JOB_FAILED, format!("run {run_id} ended as {status}, but {error}"))
            })
        } else {
            let reason = self.text(&fields.reason).map(|reason| format!(": {reason}")).unwrap_or_default();
            Outcome::failure(JOB_FAILED, format!("run {run_id} ended as {status}{reason}"))
        };
        Ok(JobEnd { run_id: run_id.to_owned(), outcome })
    }

    fn required(&self, field: &str) -> Result<&str, FieldMissing> {
        self.text(field).ok_or_else(|| FieldMissing { field: field.to_owned() })
    }

    fn text(&self, field: &str) -> Option<&str> {
        self.detail.get(field)?.as_str().filter(|text| !text.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn appflow() -> EventFields {
        EventFields {
            run_id: "execution-id".into(),
            status: "status".into(),
            success: "Execution Successful".into(),
            reason: "error-message".into(),
        }
    }

    fn event(detail: &Value) -> JobEvent {
        serde_json::from_value(json!({ "source": "aws.appflow", "detail": detail })).unwrap()
    }

    fn sample(text: &str) -> JobEvent {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_success_is_the_whole_detail() {
        let event = sample(include_str!("../../../events/job-callback/flow-run-successful.json"));

        let end = event.end(&appflow()).unwrap();

        assert_eq!(end.run_id, "2c07e424-21e4-4ee3-b70f-4fb55b2ecf79");
        let Outcome::Success(output) = end.outcome else { panic!("a success") };
        let output: Map<String, Value> = serde_json::from_str(output.json()).unwrap();
        assert_eq!(output, event.detail);
        assert_eq!(output["num-of-records-processed"], "1");
    }

    #[test]
    fn any_other_status_is_a_failure_with_the_reason() {
        let failed = sample(include_str!("../../../events/job-callback/flow-run-failed.json"));
        let canceled = event(&json!({ "execution-id": "run", "status": "Canceled" }));

        let failed = failed.end(&appflow()).unwrap().outcome;
        let canceled = canceled.end(&appflow()).unwrap().outcome;

        let cause = "run 2c07e424-21e4-4ee3-b70f-4fb55b2ecf79 ended as Execution Failed: The file input/example.json is \
                     not valid JSON";
        assert_eq!(failed, Outcome::failure("JobFailed", cause));
        assert_eq!(canceled, Outcome::failure("JobFailed", "run run ended as Canceled"));
    }

    #[test]
    fn an_event_without_run_or_status_names_the_field() {
        let without_run = sample(include_str!("../../../events/job-callback/without-run.json"));
        let empty_status = event(&json!({ "execution-id": "run", "status": "" }));
        let number = event(&json!({ "execution-id": 7, "status": "done" }));

        for (event, field) in
            [(without_run, "execution-id"), (empty_status, "status"), (number, "execution-id")]
        {
            let error = event.end(&appflow()).unwrap_err();
            assert_eq!(error.to_string(), format!("the event's detail has no text in the field `{field}`"));
        }
    }

    #[test]
    fn a_detail_that_no_workflow_can_take_fails_the_job_instead_of_waiting_on() {
        let event = event(&json!({
            "execution-id": "run", "status": "Execution Successful", "log": "x".repeat(262_144)
        }));

        let Outcome::Failure(failure) = event.end(&appflow()).unwrap().outcome else { panic!("a failure") };

        assert_eq!(failure.error(), "JobFailed");
        assert!(failure.cause().starts_with("run run ended as Execution Successful, but the output has "));
    }

    /// The rows of the table in docs/ARCHITECTURE.md.
    #[test]
    fn the_events_of_other_services_are_read_by_the_names_that_the_docs_give() {
        let fields = |run_id: &str, status: &str, success: &str, reason: &str| EventFields {
            run_id: run_id.into(),
            status: status.into(),
            success: success.into(),
            reason: reason.into(),
        };
        let glue = sample(include_str!("../../../events/job-callback/glue-job-succeeded.json"))
            .end(&fields("jobRunId", "state", "SUCCEEDED", "message"))
            .unwrap();
        let transcribe = sample(include_str!("../../../events/job-callback/transcribe-job-completed.json"))
            .end(&fields("TranscriptionJobName", "TranscriptionJobStatus", "COMPLETED", "FailureReason"))
            .unwrap();
        let batch = sample(include_str!("../../../events/job-callback/batch-job-failed.json"))
            .end(&fields("jobId", "status", "SUCCEEDED", "statusReason"))
            .unwrap();

        assert!(glue.run_id.starts_with("jr_") && matches!(glue.outcome, Outcome::Success(_)));
        assert!(transcribe.run_id == "interview-17" && matches!(transcribe.outcome, Outcome::Success(_)));
        let cause =
            "run 4c7599ae-0a82-49aa-ba5a-4727fcce14a8 ended as FAILED: Essential container in task exited";
        assert_eq!(batch.outcome, Outcome::failure("JobFailed", cause));
    }
}
