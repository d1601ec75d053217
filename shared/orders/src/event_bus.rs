//! The port to those who listen.

use std::{
    error::Error,
    sync::{Mutex, PoisonError},
};

use aws_sdk_eventbridge::{Client, types::PutEventsRequestEntry};

use crate::Announcement;

/// Who speaks, as the rules of Serverlesspresso match it.
const SOURCE: &str = "awsserverlessda.serverlesspresso";

/// Where announcements go. Its IAM permission is `events:PutEvents` on the bus.
pub trait EventBus: Send + Sync {
    /// Announces something, at least once.
    ///
    /// # Errors
    ///
    /// [`EventBusError`]: it may or may not be announced.
    fn announce(&self, announcement: &Announcement)
    -> impl Future<Output = Result<(), EventBusError>> + Send;
}

/// The bus did not take an announcement; later it may.
#[derive(Debug, thiserror::Error)]
pub enum EventBusError {
    /// The whole request failed.
    #[error("the event bus is unavailable")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// The bus refused the event.
    #[error("the event bus refused the event: {code}")]
    Refused {
        /// Its error code.
        code: String,
    },
}

/// An [`EventBus`] of EventBridge.
#[derive(Debug, Clone)]
pub struct EventBridgeBus {
    client: Client,
    name: String,
}

/// Keeps what is announced, for tests.
#[derive(Debug, Default)]
pub struct RecordingBus {
    announced: Mutex<Vec<Announcement>>,
    failures: Mutex<Vec<EventBusError>>,
}

impl EventBridgeBus {
    /// Uses the bus named `name` through `client`.
    #[must_use]
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self { client, name: name.into() }
    }
}

impl EventBus for EventBridgeBus {
    async fn announce(&self, announcement: &Announcement) -> Result<(), EventBusError> {
        let entry = PutEventsRequestEntry::builder()
            .event_bus_name(&self.name)
            .source(SOURCE)
            .detail_type(announcement.detail_type)
            .detail(announcement.detail.to_string())
            .build();
        let answer = self.client.put_events().entries(entry).send().await;
        let answer = answer.map_err(|error| EventBusError::Unavailable(error.into_service_error().into()))?;
        match answer.entries().iter().find_map(|entry| entry.error_code()) {
            Some(code) => Err(EventBusError::Refused { code: code.to_owned() }),
            None => Ok(()),
        }
    }
}

impl RecordingBus {
    /// What was announced, in order.
    #[must_use]
    pub fn announced(&self) -> Vec<Announcement> {
        self.announced.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets the next announcement fail.
    pub fn fail_next(&self, error: EventBusError) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).push(error);
    }
}

impl EventBus for RecordingBus {
    async fn announce(&self, announcement: &Announcement) -> Result<(), EventBusError> {
        if let Some(failure) = self.failures.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            return Err(failure);
        }
        self.announced.lock().unwrap_or_else(PoisonError::into_inner).push(announcement.clone());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_eventbridge::{
        operation::put_events::{PutEventsError, PutEventsOutput},
        types::{PutEventsResultEntry, error::InternalException},
    };
    use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
    use serde_json::json;

    use super::*;

    async fn announce(rule: &Rule) -> Result<(), EventBusError> {
        let client = mock_client!(aws_sdk_eventbridge, RuleMode::MatchAny, [rule]);
        let announcement = Announcement { detail_type: "Told", detail: json!({ "orderId": "42" }) };
        EventBridgeBus::new(client, "Serverlesspresso").announce(&announcement).await
    }

    #[tokio::test]
    async fn an_announcement_is_one_event_on_the_bus() {
        let rule = mock!(Client::put_events)
            .match_requests(|request| {
                let [entry] = request.entries() else { return false };
                entry.event_bus_name() == Some("Serverlesspresso")
                    && entry.source() == Some("awsserverlessda.serverlesspresso")
                    && entry.detail_type() == Some("Told")
                    && entry.detail() == Some(r#"{"orderId":"42"}"#)
            })
            .then_output(|| {
                let taken = PutEventsResultEntry::builder().event_id("1").build();
                PutEventsOutput::builder().entries(taken).build()
            });

        announce(&rule).await.unwrap();
    }

    #[tokio::test]
    async fn an_event_that_the_bus_does_not_take_is_an_error_although_the_request_succeeds() {
        let rule = mock!(Client::put_events).then_output(|| {
            let refused = PutEventsResultEntry::builder().error_code("ThrottlingException").build();
            PutEventsOutput::builder().failed_entry_count(1).entries(refused).build()
        });

        let error = announce(&rule).await.unwrap_err();

        assert_eq!(error.to_string(), "the event bus refused the event: ThrottlingException");
    }

    #[tokio::test]
    async fn a_bus_that_does_not_answer_is_an_error() {
        let rule = mock!(Client::put_events).then_error(|| {
            PutEventsError::InternalException(InternalException::builder().message("no").build())
        });

        let error = announce(&rule).await.unwrap_err();

        assert_eq!(error.to_string(), "the event bus is unavailable");
    }
}
