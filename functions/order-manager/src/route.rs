//! Which request is which.

use std::collections::HashMap;

use function_runtime::http::Request;
use http::Method;
use orders::{Cursor, OrderId, OrderState};

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// `POST /orders`
    Create,
    /// `GET /orders?state=…&after=…`
    List { state: OrderState, after: Option<Cursor> },
    /// `GET /orders/{id}`
    Get(OrderId),
    /// `PUT /orders/{id}/submit`
    Submit(OrderId),
    /// `PUT /orders/{id}/complete`
    Complete(OrderId),
    /// `PUT /orders/{id}/cancel`
    Cancel(OrderId),
    /// `PUT /orders/{id}/heartbeat`
    Heartbeat(OrderId),
}

/// Why a request is no route.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoRoute {
    /// There is nothing at this path, and no order has such an id.
    Path,
    /// The path is right.
    Method,
    /// The query is not; the message is for the caller.
    Query(String),
}

impl Route {
    /// Reads method, path and query.
    pub(crate) fn of(request: &Request) -> Result<Self, NoRoute> {
        let path: Vec<_> = request.path.trim_matches('/').split('/').collect();
        let id = |text: &str| text.parse::<OrderId>().map_err(|_| NoRoute::Path);
        match (&request.method, path.as_slice()) {
            (&Method::POST, ["orders"]) => Ok(Self::Create),
            (&Method::GET, ["orders"]) => list(&request.query),
            (&Method::GET, ["orders", order]) => id(order).map(Self::Get),
            (&Method::PUT, ["orders", order, "submit"]) => id(order).map(Self::Submit),
            (&Method::PUT, ["orders", order, "complete"]) => id(order).map(Self::Complete),
            (&Method::PUT, ["orders", order, "cancel"]) => id(order).map(Self::Cancel),
            (&Method::PUT, ["orders", order, "heartbeat"]) => id(order).map(Self::Heartbeat),
            (_, ["orders"] | ["orders", _]) => Err(NoRoute::Method),
            (_, ["orders", _, "submit" | "complete" | "cancel" | "heartbeat"]) => Err(NoRoute::Method),
            _ => Err(NoRoute::Path),
        }
    }
}

fn list(query: &HashMap<String, String>) -> Result<Route, NoRoute> {
    let state = query.get("state").map_or("", String::as_str);
    let state = state.parse().map_err(|error| NoRoute::Query(format!("`state`: {error}")))?;
    let wrong = || NoRoute::Query("`after` must be the `next` of the page before".to_owned());
    let after = query.get("after").map(|text| cursor(text).ok_or_else(wrong)).transpose()?;
    Ok(Route::List { state, after })
}

fn cursor(text: &str) -> Option<Cursor> {
    let (created_at, id) = text.split_once('.')?;
    Some(Cursor { created_at_epoch_ms: created_at.parse().ok()?, id: id.parse().ok()? })
}

/// The text of which [`Route::of`] reads the cursor again.
pub(crate) fn cursor_text(cursor: &Cursor) -> String {
    format!("{}.{}", cursor.created_at_epoch_ms, cursor.id)
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn route(method: Method, path: &str, query: &[(&str, &str)]) -> Result<Route, NoRoute> {
        let query = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Route::of(&Request {
            method,
            path: path.into(),
            query: query.collect(),
            headers: HeaderMap::new(),
            body: Vec::new(),
        })
    }

    fn id() -> OrderId {
        "42".parse().unwrap()
    }

    #[test]
    fn every_route_is_found() {
        assert_eq!(route(Method::POST, "/orders", &[]), Ok(Route::Create));
        assert_eq!(route(Method::GET, "/orders/42", &[]), Ok(Route::Get(id())));
        assert_eq!(route(Method::PUT, "/orders/42/submit", &[]), Ok(Route::Submit(id())));
        assert_eq!(route(Method::PUT, "/orders/42/complete", &[]), Ok(Route::Complete(id())));
        assert_eq!(route(Method::PUT, "/orders/42/cancel/", &[]), Ok(Route::Cancel(id())));
        assert_eq!(route(Method::PUT, "/orders/42/heartbeat", &[]), Ok(Route::Heartbeat(id())));
    }

    #[test]
    fn a_list_is_of_one_state_and_goes_on_where_a_page_ended() {
        let after = Cursor { created_at_epoch_ms: 1_000, id: id() };
        let query = [("state", "CREATED"), ("after", &cursor_text(&after))];

        let state = OrderState::Created;
        assert_eq!(route(Method::GET, "/orders", &query), Ok(Route::List { state, after: Some(after) }));
        assert_eq!(route(Method::GET, "/orders", &query[..1]), Ok(Route::List { state, after: None }));
        for wrong in [&[][..], &[("state", "created")], &[("state", "CREATED"), ("after", "42")]] {
            assert!(matches!(route(Method::GET, "/orders", wrong), Err(NoRoute::Query(_))), "{wrong:?}");
        }
    }

    #[test]
    fn what_is_no_route_is_told_apart() {
        assert_eq!(route(Method::DELETE, "/orders", &[]), Err(NoRoute::Method));
        assert_eq!(route(Method::PUT, "/orders/42", &[]), Err(NoRoute::Method));
        assert_eq!(route(Method::GET, "/orders/42/complete", &[]), Err(NoRoute::Method));
        assert_eq!(route(Method::GET, "/", &[]), Err(NoRoute::Path));
        assert_eq!(route(Method::PUT, "/orders/42/drink", &[]), Err(NoRoute::Path));
        assert_eq!(route(Method::GET, "/orders/a%20b", &[]), Err(NoRoute::Path));
    }
}
