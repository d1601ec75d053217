//! Stacks that tests disturb, one test after the other.

use std::ops::Deref;

use anyhow::Result;
use local_stack::StackDescription;
use tokio::sync::{Mutex, MutexGuard, OnceCell};

/// A stack that is deployed by the first test that needs it, and is one test's at a time.
pub(crate) struct TurnStack {
    turn: Mutex<()>,
    stack: OnceCell<StackDescription>,
}

/// What a test does to such a stack, as long as this lives.
pub(crate) struct Turn<T> {
    with: T,
    _turn: MutexGuard<'static, ()>,
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
        let deploy = async || {
            let shared = StackDescription::of_this_test_run()?;
            shared.deploy_copy(name, &shared.built_template()?, parameters).await
        };
        let stack = self.stack.get_or_try_init(deploy).await?.clone();
        Ok(Turn { with: with(stack).await, _turn: turn })
    }
}

impl<T> Deref for Turn<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.with
    }
}
