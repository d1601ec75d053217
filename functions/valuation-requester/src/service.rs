//! The valuation service, as its customer sees it.

use std::time::Duration;

use reqwest::{Client, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Value, json};

/// How long the service may take to answer; it values later, and calls back.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Asks for valuations.
pub(crate) trait ValuationService: Send + Sync {
    /// Asks for a valuation of `property` and returns its reference. Asked again with the same `idempotency_key`, the
    /// service values once and gives the same reference.
    fn request(
        &self,
        property: &Value,
        idempotency_key: &str,
    ) -> impl Future<Output = Result<String, ServiceError>> + Send;
}

/// Why there is no reference.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServiceError {
    /// Slow, down, or busy: it may answer the next time.
    #[error("the valuation service is unavailable")]
    Unavailable(#[source] reqwest::Error),
    /// It does not want this request, and will not want it again.
    #[error("the valuation service refused the request with status {0}")]
    Refused(StatusCode),
    /// It took the request and did not answer as agreed.
    #[error("the valuation service did not answer with a reference")]
    NoReference(#[source] reqwest::Error),
}

/// A [`ValuationService`] by HTTP: `POST {property, callbackUrl}` with `Idempotency-Key`, answered by 201 and
/// `{valuationReference}`.
pub(crate) struct HttpValuationService {
    client: Client,
    service_url: Url,
    callback_url: Url,
}

impl HttpValuationService {
    pub(crate) fn new(service_url: Url, callback_url: Url) -> Result<Self, reqwest::Error> {
        let client = Client::builder().timeout(TIMEOUT).build()?;
        Ok(Self { client, service_url, callback_url })
    }
}

impl ValuationService for HttpValuationService {
    async fn request(&self, property: &Value, idempotency_key: &str) -> Result<String, ServiceError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Accepted {
            valuation_reference: String,
        }

        let answer = self
            .client
            .post(self.service_url.clone())
            .header("Idempotency-Key", idempotency_key)
            .json(&json!({ "property": property, "callbackUrl": self.callback_url.as_str() }))
            .send()
            .await
            .map_err(ServiceError::Unavailable)?;
        let status = answer.status();
        let retryable = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
        if status.is_client_error() && !retryable.contains(&status) {
            return Err(ServiceError::Refused(status));
        }
        let answer = answer.error_for_status().map_err(ServiceError::Unavailable)?;
        let accepted: Accepted = answer.json().await.map_err(|error| {
            if error.is_timeout() {
                ServiceError::Unavailable(error)
            } else {
                ServiceError::NoReference(error)
            }
        })?;
        Ok(accepted.valuation_reference)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// Answers one request with `answer`, and says what the request was.
    async fn ask(answer: &'static str) -> (Result<String, ServiceError>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/valuations", listener.local_addr().unwrap()).parse().unwrap();
        let service =
            HttpValuationService::new(url, "https://example.com/callback".parse().unwrap()).unwrap();
        let serve = async {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"}}") && !request.ends_with(b"\"}") {
                connection.read_buf(&mut request).await.unwrap();
            }
            connection.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(request).unwrap()
        };

        let property = json!({ "nameOrNumber": "999" });
        tokio::join!(service.request(&property, "loan-17"), serve)
    }

    #[tokio::test]
    async fn an_accepted_request_gives_the_reference() {
        let answer =
            "HTTP/1.1 201 Created\r\nContent-Length: 31\r\n\r\n{\"valuationReference\":\"VAL-17\"}\n";

        let (reference, request) = ask(answer).await;

        assert_eq!(reference.unwrap(), "VAL-17");
        assert!(request.starts_with("POST /valuations HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("idempotency-key: loan-17\r\n"), "{request}");
        let (_, body) = request.split_once("\r\n\r\n").unwrap();
        let body: Value = serde_json::from_str(body).unwrap();
        let callback_url = "https://example.com/callback";
        assert_eq!(body, json!({ "property": { "nameOrNumber": "999" }, "callbackUrl": callback_url }));
    }

    #[tokio::test]
    async fn a_refused_request_is_not_retried_and_a_broken_service_is() {
        let refused = ask("HTTP/1.1 422 Unprocessable Entity\r\nContent-Length: 0\r\n\r\n").await.0;
        let busy = ask("HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n").await.0;
        let broken = ask("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n").await.0;
        let hung_up = ask("").await.0;

        assert!(
            matches!(refused, Err(ServiceError::Refused(StatusCode::UNPROCESSABLE_ENTITY))),
            "{refused:?}"
        );
        for error in [busy, broken, hung_up] {
            assert!(matches!(error, Err(ServiceError::Unavailable(_))), "{error:?}");
        }
    }

    #[tokio::test]
    async fn an_answer_without_reference_is_its_own_error() {
        let answer = "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}";

        assert!(matches!(ask(answer).await.0, Err(ServiceError::NoReference(_))));
    }
}
