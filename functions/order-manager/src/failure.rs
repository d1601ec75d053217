//! Names under which an order fails the workflow that waits for it.

/// The customer or the shop has given the order up.
pub(crate) const ORDER_CANCELLED: &str = "OrderCancelled";
