//! The commands of the README, each as it is written there.

mod build;
mod commands;
mod local_stack_by_hand;
mod shell;
