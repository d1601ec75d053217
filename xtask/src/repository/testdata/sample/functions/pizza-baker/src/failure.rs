pub(crate) const ORDER_FAILED: &str = "OrderFailed";
pub(crate) const REASON_LENGTH: usize = 32_768;
