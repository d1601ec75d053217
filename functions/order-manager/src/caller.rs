//! For whom the caller acts.
//!
//! The URL takes only callers that IAM knows: the shop's own backend. Whom that backend serves it says in a header, and
//! is believed: `x-user-id` for a customer, `x-barista-id` for a barista. Without either, or with both, nothing is done,
//! so that a header that was forgotten never makes a customer a barista.

use http::{HeaderMap, HeaderValue};
use orders::UserId;

/// Names a customer.
pub(crate) const CUSTOMER_HEADER: &str = "x-user-id";
/// Names a barista.
pub(crate) const BARISTA_HEADER: &str = "x-barista-id";

/// For whom the caller acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Caller {
    /// May do everything with orders of their own, but complete them.
    Customer(UserId),
    /// May see, complete and cancel every order.
    Barista(UserId),
}

/// The headers do not say for whom the caller acts. The message is for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnknownCaller {
    #[error("one of the headers `{CUSTOMER_HEADER}` and `{BARISTA_HEADER}` must say for whom this is done")]
    Nobody,
    #[error("the header `{0}` must have 1 to 128 characters, and none of them a control character")]
    Invalid(&'static str),
}

impl Caller {
    /// Reads the headers.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Result<Self, UnknownCaller> {
        match (headers.get(CUSTOMER_HEADER), headers.get(BARISTA_HEADER)) {
            (Some(customer), None) => {
                id(customer).map(Self::Customer).ok_or(UnknownCaller::Invalid(CUSTOMER_HEADER))
            }
            (None, Some(barista)) => {
                id(barista).map(Self::Barista).ok_or(UnknownCaller::Invalid(BARISTA_HEADER))
            }
            _ => Err(UnknownCaller::Nobody),
        }
    }
}

fn id(header: &HeaderValue) -> Option<UserId> {
    std::str::from_utf8(header.as_bytes()).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(headers: &[(&'static str, &'static str)]) -> Result<Caller, UnknownCaller> {
        let headers =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
        Caller::from_headers(&headers.collect())
    }

    #[test]
    fn exactly_one_header_says_for_whom_the_caller_acts() {
        let customer = Caller::Customer("ada".parse().unwrap());
        let barista = Caller::Barista("eva".parse().unwrap());

        assert_eq!(caller(&[("x-user-id", "ada")]), Ok(customer));
        assert_eq!(caller(&[("x-barista-id", "eva")]), Ok(barista));
        assert_eq!(caller(&[]), Err(UnknownCaller::Nobody));
        assert_eq!(caller(&[("x-user-id", "ada"), ("x-barista-id", "eva")]), Err(UnknownCaller::Nobody));
        assert_eq!(caller(&[("x-user-id", "")]), Err(UnknownCaller::Invalid("x-user-id")));
    }
}
