//! Names under which a callback fails the workflow.

/// The valuation service could not value the property.
pub(crate) const VALUATION_FAILED: &str = "ValuationFailed";
