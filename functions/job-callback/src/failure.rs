//! Names under which a job fails the workflow that waits for it.

/// The job ended without success; the cause says why.
pub(crate) const JOB_FAILED: &str = "JobFailed";
