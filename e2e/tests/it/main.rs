//! Tests of the deployed stack, IAM enforced: real templates, real binaries, an emulated AWS.
//!
//! Run them with `cargo xtask test --e2e`, which starts the stack. All tests share it, so none changes what another
//! one sees; a test that breaks something deploys a copy of its own.

mod cafe;
mod dead_letters;
mod depot;
mod document;
mod document_permissions;
mod eventually;
mod job;
mod job_permissions;
mod kitchen;
mod library;
mod office;
mod operators;
mod order;
mod order_faults;
mod order_permissions;
mod permissions;
mod pizza;
mod pizza_faults;
mod pizza_permissions;
mod reconciler_permissions;
mod turn;
mod valuation;
mod valuation_faults;
mod valuation_permissions;
