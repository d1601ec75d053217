//! The adapters for AWS.

mod failure;
mod step_functions;

pub use failure::AwsFailure;
pub use step_functions::StepFunctionsTaskCallbacks;
