//! Stacks of tests' own, each on an emulator of its own.

use std::ops::Deref;

use anyhow::Result;
use local_stack::{Stack, StackDescription};
use tokio::sync::{Mutex, MutexGuard, OnceCell};

/// A stack of one test's own, which ends with this.
pub(crate) struct Own<T> {
    with: T,
    _stack: Stack,
}

/// A stack that is deployed by the first test that needs it, and is one test's at a time.
pub(crate) struct TurnStack {
    turn: Mutex<()>,
    stack: OnceCell<Stack>,
}

/// What a test does to such a stack, as long as this lives.
pub(crate) struct Turn<T> {
    with: T,
    _turn: MutexGuard<'static, ()>,
}

/// Deploys a copy of the shared stack with these parameters.
pub(crate) async fn own<T>(
    name: &str,
    parameters: &[&str],
    with: impl AsyncFnOnce(StackDescription) -> T,
) -> Result<Own<T>> {
    let stack = deploy(name, parameters).await?;
    Ok(Own { with: with(StackDescription::clone(&stack)).await, _stack: stack })
}

async fn deploy(name: &str, parameters: &[&str]) -> Result<Stack> {
    let shared = StackDescription::of_this_test_run()?;
    shared.deploy_copy(name, &shared.packaged_template()?, parameters).await
}

impl TurnStack {
    pub(crate) const fn new() -> Self {
        Self { turn: Mutex::const_new(()), stack: OnceCell::const_new() }
    }

    /// Waits for the turn. The stack is a copy of the shared one with these parameters.
    pub(crate) async fn take<T>(
        &'static self,
        name: &str,
        parameters: &[&str],
        with: impl AsyncFnOnce(StackDescription) -> T,
    ) -> Result<Turn<T>> {
        let turn = self.turn.lock().await;
        let stack = self.stack.get_or_try_init(|| deploy(name, parameters)).await?;
        Ok(Turn { with: with(StackDescription::clone(stack)).await, _turn: turn })
    }
}

impl<T> Deref for Own<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.with
    }
}

impl<T> Deref for Turn<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.with
    }
}
