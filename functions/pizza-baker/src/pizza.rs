//! What the workflow gets.

use serde::Serialize;

/// A pizza, as it comes out of the oven: `{"name", "message", "order"}`.
#[derive(Debug, Serialize)]
pub(crate) struct Pizza {
    name: &'static str,
    message: &'static str,
    order: String,
}

impl Pizza {
    pub(crate) fn new(order: String) -> Self {
        Self { name: "lambda pizza baking service", message: "pizza is ready - enjoy!", order }
    }
}
