//! What AWS charges, in US dollars, us-east-1, before the free tier, x86.
//!
//! Step Functions from its pricing page; the others from secondary sources of 2026, to be checked on AWS's pages
//! before a figure is published.

pub(crate) const STATE_TRANSITION: f64 = 0.025 / 1_000.0;
pub(crate) const LAMBDA_REQUEST: f64 = 0.20 / 1e6;
pub(crate) const LAMBDA_GB_SECOND: f64 = 0.000_016_666_7;
pub(crate) const SQS_REQUEST: f64 = 0.40 / 1e6;
/// One item of up to 1 KB.
pub(crate) const DYNAMODB_WRITE: f64 = 0.625 / 1e6;
/// One item of up to 4 KB, eventually consistent: half a unit.
pub(crate) const DYNAMODB_READ: f64 = 0.125 / 2.0 / 1e6;
/// Memory of every function, in GB.
pub(crate) const FUNCTION_GB: f64 = 128.0 / 1024.0;
