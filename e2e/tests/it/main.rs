//! Tests of the deployed stack, IAM enforced: real templates, real binaries, an emulated AWS.
//!
//! Run them with `cargo xtask test --e2e`, which starts the stack. All tests share it, so none changes what another
//! one sees; a test that breaks something has a copy of its own, on an emulator of its own.

mod cafe;
mod crowds;
mod dead_letters;
mod depot;
mod document;
mod eventually;
mod job;
mod kitchen;
mod library;
mod office;
mod operators;
mod order;
mod order_faults;
mod pizza;
mod pizza_faults;
mod reconciler;
mod turn;
mod valuation;
mod valuation_faults;
