//! HTTP by function URL: a request as it was sent, an answer in JSON.

use std::collections::HashMap;

use aws_lambda_events::event::lambda_function_urls::{LambdaFunctionUrlRequest, LambdaFunctionUrlResponse};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::Serialize;

/// The parts of an HTTP request that count.
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path, still percent-encoded, with its leading slash.
    pub path: String,
    /// The query, decoded. A name that came twice has its values with a comma between them.
    pub query: HashMap<String, String>,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it was sent: signatures cover these bytes.
    pub body: Vec<u8>,
}

impl From<LambdaFunctionUrlRequest> for Request {
    fn from(event: LambdaFunctionUrlRequest) -> Self {
        let method = event.request_context.http.method.and_then(|method| method.parse().ok());
        let body = event.body.unwrap_or_default();
        // A body that is not what the event says it is stays as it came: who reads it refuses it.
        let decoded = if event.is_base64_encoded { STANDARD.decode(&body).ok() } else { None };
        Self {
            method: method.unwrap_or_default(),
            path: event.raw_path.unwrap_or_else(|| "/".to_owned()),
            query: event.query_string_parameters,
            headers: event.headers,
            body: decoded.unwrap_or_else(|| body.into_bytes()),
        }
    }
}

/// An answer in JSON. One of 503 asks the caller to come again in 5 s.
///
/// # Panics
///
/// When `body` cannot be JSON: a map with keys that are no texts.
pub fn json(code: StatusCode, body: &impl Serialize) -> LambdaFunctionUrlResponse {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if code == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    }
    let mut response = LambdaFunctionUrlResponse::default();
    response.status_code = i64::from(code.as_u16());
    response.headers = headers;
    response.body = Some(serde_json::to_string(body).expect("answers have texts for keys"));
    response
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    fn request(body: &str, is_base64_encoded: bool) -> Request {
        let event = json!({
            "rawPath": "/orders/42",
            "queryStringParameters": { "state": "CREATED" },
            "requestContext": { "timeEpoch": 0, "http": { "method": "PUT" } },
            "headers": { "Content-Type": "text/plain" },
            "body": body,
            "isBase64Encoded": is_base64_encoded,
        });
        Request::from(from_value::<LambdaFunctionUrlRequest>(event).unwrap())
    }

    #[test]
    fn a_request_has_the_body_that_was_sent_however_lambda_wrapped_it() {
        let plain = request("a latte", false);
        let encoded = request("YSBsYXR0ZQ==", true);

        assert_eq!((plain.method, plain.path.as_str()), (Method::PUT, "/orders/42"));
        assert_eq!(plain.headers["content-type"], "text/plain");
        assert_eq!(plain.query["state"], "CREATED");
        assert_eq!((plain.body.as_slice(), encoded.body.as_slice()), (&b"a latte"[..], &b"a latte"[..]));
        assert_eq!(request("no base64!", true).body, b"no base64!");
    }

    #[test]
    fn only_an_answer_that_asks_for_a_repetition_says_when() {
        let fine = super::json(StatusCode::OK, &json!({ "status": "delivered" }));
        let unavailable = super::json(StatusCode::SERVICE_UNAVAILABLE, &json!({}));

        assert_eq!((fine.status_code, fine.body.as_deref()), (200, Some(r#"{"status":"delivered"}"#)));
        assert_eq!(fine.headers["content-type"], "application/json");
        assert!(!fine.headers.contains_key("retry-after"));
        assert_eq!(unavailable.headers["retry-after"], "5");
    }
}
