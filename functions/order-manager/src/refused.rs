//! Why a request was not done, and how that is said.

use function_runtime::error::chain;
use http::StatusCode;
use orders::{ChangeError, EventBusError, OrderBookError, Refusal};
use token_store::RendezvousError;
use tracing::error;

use crate::{
    answer::Answer,
    body::InvalidBody,
    caller::UnknownCaller,
    menu::{MenuError, NotOnTheMenu},
    route::NoRoute,
};

/// Why a request was not done. It never fails the invocation: every variant has its HTTP status.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error(transparent)]
    Caller(#[from] UnknownCaller),
    #[error(transparent)]
    Body(#[from] InvalidBody),
    #[error(transparent)]
    Menu(#[from] NotOnTheMenu),
    #[error("only customers do this")]
    CustomersOnly,
    #[error("only the shop does this")]
    ShopOnly,
    #[error(transparent)]
    Order(#[from] Refusal),
    #[error(transparent)]
    Book(#[from] OrderBookError),
    #[error(transparent)]
    MenuUnreadable(#[from] MenuError),
    #[error(transparent)]
    Bus(#[from] EventBusError),
    #[error(transparent)]
    Rendezvous(#[from] RendezvousError),
}

impl From<ChangeError<Refusal>> for Refused {
    fn from(error: ChangeError<Refusal>) -> Self {
        match error {
            ChangeError::Refused(refusal) => Self::Order(refusal),
            ChangeError::Book(error) => Self::Book(error),
        }
    }
}

impl Refused {
    /// What the caller is told. What went wrong inside is logged, and not told.
    pub(crate) fn answer(&self) -> Answer {
        let (code, status) = match self {
            Self::Caller(_) | Self::Body(_) | Self::Menu(_) => (StatusCode::BAD_REQUEST, "malformed"),
            Self::CustomersOnly | Self::ShopOnly => (StatusCode::FORBIDDEN, "forbidden"),
            Self::Order(refusal) => code(*refusal),
            Self::Book(_) | Self::MenuUnreadable(_) | Self::Bus(_) | Self::Rendezvous(_) => {
                error!(error = chain(self), "request not done");
                let message = "it may not be done; send it again later";
                return Answer::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message);
            }
        };
        Answer::new(code, status, self.to_string())
    }
}

fn code(refusal: Refusal) -> (StatusCode, &'static str) {
    match refusal {
        Refusal::NotFound => (StatusCode::NOT_FOUND, "not found"),
        Refusal::NotYours => (StatusCode::FORBIDDEN, "forbidden"),
        Refusal::NotSubmitted
        | Refusal::AnotherDrink
        | Refusal::Completed
        | Refusal::Cancelled
        | Refusal::AnotherExecution => (StatusCode::CONFLICT, "conflict"),
        Refusal::Closed => (StatusCode::GONE, "late"),
    }
}

impl From<NoRoute> for Answer {
    fn from(no_route: NoRoute) -> Self {
        match no_route {
            NoRoute::Path => Self::new(StatusCode::NOT_FOUND, "not found", "there is nothing at this path"),
            NoRoute::Method => {
                let message = "this path does not take the method";
                Self::new(StatusCode::METHOD_NOT_ALLOWED, "method not allowed", message)
            }
            NoRoute::Query(message) => Self::new(StatusCode::BAD_REQUEST, "malformed", message),
        }
    }
}
