//! Names under which the baker fails a workflow.

/// The order cannot be baked; the cause says why.
pub(crate) const ORDER_FAILED: &str = "OrderFailed";
