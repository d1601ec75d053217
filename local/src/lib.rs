//! The application on this machine, without an AWS account and without Docker.
//!
//! [`Stack::start`] installs pinned tools below `target/`, builds with the real `sam build`, starts the emulator on
//! 127.0.0.1 with IAM enforced, and deploys with the real `sam deploy`. Whatever was started ends when the value is
//! dropped, also when its future is cancelled by Ctrl-C.
//!
//! - [`tools`]: what is installed, where, and how a half-made installation is undone.
//! - [`sam`]: build, deploy, validate.
//! - [`emulator`]: the emulator's process.
//! - [`stack`]: all of it together, and what tests and demonstrations need to know of it.
//! - [`execution`]: runs executions of a state machine and reads what happened.
//! - [`function_url`]: requests to functions, and to services without a client here, signed as IAM asks for it.
//! - [`functions`]: what the functions logged and called, and faults for tests.
//! - [`flow`]: how the runs of an AppFlow flow go, for tests.
//! - [`process`]: child processes that leave nothing behind.
//! - [`progress`]: tells the person in front of the terminal what goes on.

pub mod emulator;
pub mod execution;
pub mod flow;
pub mod function_url;
pub mod functions;
pub mod process;
pub mod progress;
pub mod sam;
pub mod stack;
pub mod tools;
pub mod workspace;

pub use function_url::{FunctionRequest, Invocation};
pub use functions::LogLine;
pub use progress::Progress;
pub use stack::{Stack, StackDescription};
pub use tools::Tools;
pub use workspace::Workspace;
