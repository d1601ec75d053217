//! The adapters for AWS.

mod dynamodb;
mod failure;
mod step_functions;

pub use dynamodb::DynamoDbTokenStore;
pub use failure::AwsFailure;
pub use step_functions::StepFunctionsTaskCallbacks;
