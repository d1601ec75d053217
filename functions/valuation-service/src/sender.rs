//! Sends webhooks.

use std::time::Duration;

use reqwest::{Client, header, redirect};
use serde::Deserialize;

use crate::webhook::{SignedWebhook, WebhookAnswer};

/// How long a receiver may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Sends a webhook to a URL.
pub(crate) trait WebhookSender: Send + Sync {
    /// Sends `webhook` once. Whatever its HTTP status is, an answer is an answer.
    fn send(
        &self,
        url: &str,
        webhook: &SignedWebhook,
    ) -> impl Future<Output = Result<WebhookAnswer, SendError>> + Send;
}

/// Nobody answered. The webhook may have arrived.
#[derive(Debug, thiserror::Error)]
#[error("the webhook was not answered")]
pub(crate) struct SendError(#[source] pub(crate) reqwest::Error);

/// A [`WebhookSender`] by HTTP.
pub(crate) struct HttpWebhookSender {
    client: Client,
}

impl HttpWebhookSender {
    pub(crate) fn new() -> Result<Self, reqwest::Error> {
        // Where a webhook goes is agreed beforehand: a redirect is an answer as any other.
        let client = Client::builder().timeout(TIMEOUT).redirect(redirect::Policy::none()).build()?;
        Ok(Self { client })
    }
}

impl WebhookSender for HttpWebhookSender {
    async fn send(&self, url: &str, webhook: &SignedWebhook) -> Result<WebhookAnswer, SendError> {
        #[derive(Deserialize)]
        struct Body {
            status: String,
        }

        let request = self.client.post(url).header(header::CONTENT_TYPE, "application/json");
        let request =
            webhook.headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
        let answer = request.body(webhook.body.clone()).send().await.map_err(SendError)?;
        let status = answer.status().as_u16();
        let body = answer.bytes().await.map_err(SendError)?;
        let body: Option<Body> = serde_json::from_slice(&body).ok();
        Ok(WebhookAnswer { status, answer: body.map(|body| body.status) })
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// Sends a webhook to a receiver that answers with `answer`, and says what it received.
    async fn send(answer: &'static str) -> (Result<WebhookAnswer, SendError>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/callbacks", listener.local_addr().unwrap());
        let webhook = SignedWebhook {
            headers: [
                ("webhook-id", "msg_1".into()),
                ("webhook-timestamp", "1772357406".into()),
                ("webhook-signature", "v1,c2lnbmVk".into()),
            ],
            body: r#"{"propertyValue":666000}"#.into(),
        };
        let receive = async {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"}") {
                connection.read_buf(&mut request).await.unwrap();
            }
            connection.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(request).unwrap()
        };

        let sender = HttpWebhookSender::new().unwrap();
        tokio::join!(sender.send(&url, &webhook), receive)
    }

    #[tokio::test]
    async fn the_body_is_sent_as_it_was_signed_with_the_headers_of_the_signature() {
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\n{\"status\":\"delivered\"}";

        let (answer, request) = send(answer).await;

        assert_eq!(answer.unwrap(), WebhookAnswer { status: 200, answer: Some("delivered".into()) });
        assert!(request.starts_with("POST /callbacks HTTP/1.1\r\n"), "{request}");
        for header in [
            "content-type: application/json",
            "webhook-id: msg_1",
            "webhook-timestamp: 1772357406",
            "webhook-signature: v1,c2lnbmVk",
        ] {
            assert!(request.contains(&format!("{header}\r\n")), "{request}");
        }
        assert!(request.ends_with("\r\n\r\n{\"propertyValue\":666000}"), "{request}");
    }

    #[tokio::test]
    async fn every_status_is_an_answer_and_a_redirect_is_not_followed() {
        let bad = send("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 7\r\n\r\n<html/>").await.0;
        let moved =
            send("HTTP/1.1 307 Temporary Redirect\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")
                .await
                .0;

        assert_eq!(bad.unwrap(), WebhookAnswer { status: 502, answer: None });
        assert_eq!(moved.unwrap(), WebhookAnswer { status: 307, answer: None });
    }

    #[tokio::test]
    async fn a_receiver_that_hangs_up_has_not_answered() {
        let hung_up = send("").await.0;

        assert_eq!(hung_up.unwrap_err().to_string(), "the webhook was not answered");
    }
}
