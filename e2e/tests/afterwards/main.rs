//! What a whole test run has shown. Run by `cargo xtask test`, after all other tests of the deployed stack.

mod permissions;
mod run;
mod secrets;
