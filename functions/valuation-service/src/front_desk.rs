//! The front desk: takes requests for valuations.

use std::time::{Duration, SystemTime};

use function_runtime::{error::chain, http::Request};
use http::{Method, StatusCode};
use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use signing_keys::KeySource;
use tracing::{error, info};

use crate::{
    answer::Answer,
    backlog::{Added, Backlog},
    behaviour::Behaviour,
    event::Response,
    responder::{Responder, respond},
    sender::WebhookSender,
};

/// How long a [`Behaviour::Slow`] answer takes: longer than the 5 s that `valuation-requester` waits.
const SLOW_ANSWER: Duration = Duration::from_secs(7);

/// What the front desk works with.
pub(crate) struct FrontDesk<B, K, S> {
    pub(crate) backlog: B,
    /// Calls back when it is [`Behaviour::Early`].
    pub(crate) responder: Responder<K, S>,
    /// The one URL that is called back. This desk is open to the world: if it called any URL, strangers could send its
    /// signed webhooks where they like.
    pub(crate) customer_callback_url: Url,
    /// How long a valuation takes.
    pub(crate) delay: Duration,
    /// How long one takes that is [`Behaviour::Late`].
    pub(crate) late: Duration,
}

/// What a customer wants.
#[derive(Debug)]
struct Order {
    idempotency_key: String,
    behaviour: Behaviour,
    callback_url: String,
}

/// What is wrong with a request. The message is for the customer.
#[derive(Debug, thiserror::Error)]
enum InvalidRequest {
    #[error("the header `Idempotency-Key` is missing")]
    IdempotencyKey,
    #[error("the body is not a JSON object: {0}")]
    NotJson(#[from] serde_json::Error),
    #[error("`property` must be an object")]
    Property,
    #[error("`property.nameOrNumber` must be a text")]
    NameOrNumber,
    #[error("`property.postcode` must be a text")]
    Postcode,
    #[error("`callbackUrl` must be the URL that is registered for you")]
    CallbackUrl,
}

/// Answers a request for a valuation. It never fails: every failure has its HTTP status.
///
/// The same `Idempotency-Key` always has the same reference, and is valued once.
pub(crate) async fn handle(
    desk: &FrontDesk<impl Backlog, impl KeySource, impl WebhookSender>,
    request: &Request,
    now: SystemTime,
) -> Answer {
    if request.method != Method::POST {
        return Answer::refusal(
            StatusCode::METHOD_NOT_ALLOWED,
            "method not allowed",
            "send requests by POST",
        );
    }
    let order = match Order::read(request, &desk.customer_callback_url) {
        Ok(order) => order,
        Err(invalid) => return Answer::refusal(StatusCode::BAD_REQUEST, "malformed", invalid.to_string()),
    };

    let behaviour = order.behaviour;
    let response = Response {
        valuation_reference: reference(&order.idempotency_key),
        callback_url: order.callback_url,
        behaviour,
    };
    info!(valuation_reference = response.valuation_reference, ?behaviour, "valuation requested");
    match behaviour {
        Behaviour::Refused => {
            let message = "this property is not valued";
            Answer::refusal(StatusCode::UNPROCESSABLE_ENTITY, "refused", message)
        }
        Behaviour::Broken => {
            Answer::refusal(StatusCode::INTERNAL_SERVER_ERROR, "broken", "the service is broken")
        }
        Behaviour::None => Answer::accepted(&response.valuation_reference),
        Behaviour::Early | Behaviour::EarlyFailed => call_back_and_accept(desk, &response, now).await,
        _ => schedule_and_accept(desk, &response, now).await,
    }
}

async fn call_back_and_accept(
    desk: &FrontDesk<impl Backlog, impl KeySource, impl WebhookSender>,
    response: &Response,
    now: SystemTime,
) -> Answer {
    match respond(&desk.responder, response, now).await {
        Ok(_) => Answer::accepted(&response.valuation_reference),
        Err(failure) => {
            let valuation_reference = &response.valuation_reference;
            error!(valuation_reference, error = chain(&failure), "early webhook not taken");
            unavailable()
        }
    }
}

async fn schedule_and_accept(
    desk: &FrontDesk<impl Backlog, impl KeySource, impl WebhookSender>,
    response: &Response,
    now: SystemTime,
) -> Answer {
    let delay = if response.behaviour == Behaviour::Late { desk.late } else { desk.delay };
    let added = match desk.backlog.add(delay, response, now).await {
        Ok(added) => added,
        Err(failure) => {
            let valuation_reference = &response.valuation_reference;
            error!(valuation_reference, error = chain(&failure), "response not scheduled");
            return unavailable();
        }
    };

    // Only the first answer is bad: it was lost on its way, and the customer asks again.
    match (response.behaviour, added) {
        (Behaviour::DownThenUp, Added::Now) => return unavailable(),
        (Behaviour::Slow, Added::Now) => tokio::time::sleep(SLOW_ANSWER).await,
        _ => {}
    }
    Answer::accepted(&response.valuation_reference)
}

fn unavailable() -> Answer {
    Answer::refusal(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "come back later")
}

/// `VAL-` and 64 bits of the key's hash: the same for the same key, and a valid name of an execution.
fn reference(idempotency_key: &str) -> String {
    let hash = Sha256::digest(idempotency_key);
    hash.iter().take(8).fold("VAL-".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

impl Order {
    /// Reads `{"property": {"nameOrNumber", "postcode"}, "callbackUrl"}` and the header `Idempotency-Key`.
    fn read(request: &Request, customer_callback_url: &Url) -> Result<Self, InvalidRequest> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Body {
            property: Option<Value>,
            callback_url: Option<Value>,
        }

        let idempotency_key = request.headers.get("idempotency-key").and_then(|key| key.to_str().ok());
        let idempotency_key =
            idempotency_key.filter(|key| !key.is_empty()).ok_or(InvalidRequest::IdempotencyKey)?;
        let body: Body = serde_json::from_slice(&request.body)?;
        let Some(Value::Object(property)) = body.property else { return Err(InvalidRequest::Property) };
        let name_or_number = text(property.get("nameOrNumber")).ok_or(InvalidRequest::NameOrNumber)?;
        text(property.get("postcode")).ok_or(InvalidRequest::Postcode)?;
        let callback_url = text(body.callback_url.as_ref()).ok_or(InvalidRequest::CallbackUrl)?;
        if callback_url.parse::<Url>().ok().as_ref() != Some(customer_callback_url) {
            return Err(InvalidRequest::CallbackUrl);
        }
        Ok(Self {
            idempotency_key: idempotency_key.to_owned(),
            behaviour: Behaviour::of(name_or_number),
            callback_url: callback_url.to_owned(),
        })
    }
}

fn text(value: Option<&Value>) -> Option<&str> {
    value?.as_str().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use serde_json::json;
    use tokio::time::Instant;

    use super::*;
    use crate::{
        event::Event,
        stand_ins::{FixedKeys, MemoryBacklog, RecordingSender},
    };

    /// Of the key `loan-17`.
    const REFERENCE: &str = "VAL-559a76572da6463a";
    const DELAY: Duration = Duration::from_secs(6);
    const LATE: Duration = Duration::from_secs(60);

    type TestDesk = FrontDesk<MemoryBacklog, FixedKeys, RecordingSender>;

    fn desk() -> TestDesk {
        FrontDesk {
            backlog: MemoryBacklog::default(),
            responder: Responder { keys: FixedKeys::default(), sender: RecordingSender::default() },
            customer_callback_url: "https://example.com/valuation-callback/".parse().unwrap(),
            delay: DELAY,
            late: LATE,
        }
    }

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_772_357_406)
    }

    fn sample() -> Request {
        let sample = include_str!("../../../events/valuation-service/request.json");
        let Event::Request(event) = serde_json::from_str(sample).unwrap() else { panic!("a response") };
        Request::from(*event)
    }

    /// The sample, changed at the JSON pointer.
    fn changed(pointer: &str, value: Value) -> Request {
        let mut request = sample();
        let mut body: Value = serde_json::from_slice(&request.body).unwrap();
        *body.pointer_mut(pointer).unwrap() = value;
        request.body = body.to_string().into_bytes();
        request
    }

    fn house(name: &str) -> Request {
        changed("/property/nameOrNumber", name.into())
    }

    #[tokio::test]
    async fn a_request_is_accepted_and_answered_after_the_delay() {
        let desk = desk();

        let answer = handle(&desk, &sample(), now()).await;

        assert_eq!(answer, Answer::accepted(REFERENCE));
        let responses = desk.backlog.responses.lock().unwrap();
        let (delay, response) = &responses[REFERENCE];
        assert_eq!(*delay, DELAY);
        assert_eq!(response.callback_url, "https://example.com/valuation-callback/");
        assert_eq!(response.behaviour, Behaviour::Normal);
    }

    #[tokio::test]
    async fn the_same_key_has_the_same_reference_and_another_key_another() {
        let desk = desk();
        let mut other = sample();
        other.headers.insert("idempotency-key", "loan-18".parse().unwrap());

        handle(&desk, &sample(), now()).await;
        let again = handle(&desk, &sample(), now()).await;
        let other = handle(&desk, &other, now()).await;

        assert_eq!(again, Answer::accepted(REFERENCE));
        assert_eq!(other.code, StatusCode::CREATED);
        assert_eq!(desk.backlog.responses.lock().unwrap().len(), 2);
    }

    #[tokio::test]
    async fn who_is_late_is_late_by_the_delay_of_lateness() {
        let desk = desk();

        handle(&desk, &house("late"), now()).await;

        assert_eq!(desk.backlog.responses.lock().unwrap()[REFERENCE].0, LATE);
    }

    #[tokio::test]
    async fn an_early_callback_is_sent_before_the_answer_and_not_again() {
        let desk = desk();

        let answer = handle(&desk, &house("early"), now()).await;

        assert_eq!(answer, Answer::accepted(REFERENCE));
        assert_eq!(desk.responder.sender.sent().len(), 1);
        assert!(desk.backlog.responses.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn an_early_callback_that_is_not_taken_is_sent_again_by_the_next_request() {
        let desk = desk();
        desk.responder.sender.answer_with(503);

        assert_eq!(handle(&desk, &house("early"), now()).await, unavailable());
        desk.responder.sender.answer_with(202);
        assert_eq!(handle(&desk, &house("early"), now()).await, Answer::accepted(REFERENCE));
    }

    #[tokio::test]
    async fn who_never_calls_back_schedules_nothing() {
        let desk = desk();

        let none = handle(&desk, &house("none"), now()).await;
        let broken = handle(&desk, &house("broken"), now()).await;
        let refused = handle(&desk, &house("refused"), now()).await;

        assert_eq!(none, Answer::accepted(REFERENCE));
        assert_eq!(broken.code, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(refused.code, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(desk.backlog.responses.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_service_that_is_down_is_up_when_it_is_asked_again() {
        let desk = desk();

        let down = handle(&desk, &house("down-then-up"), now()).await;
        let up = handle(&desk, &house("down-then-up"), now()).await;

        assert_eq!(down, unavailable());
        assert_eq!(up, Answer::accepted(REFERENCE));
        assert_eq!(desk.backlog.responses.lock().unwrap().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_service_is_slow_once() {
        let desk = desk();
        let started = Instant::now();

        let slow = handle(&desk, &house("slow"), now()).await;
        let slow_took = started.elapsed();
        let quick = handle(&desk, &house("slow"), now()).await;

        assert_eq!((slow, quick), (Answer::accepted(REFERENCE), Answer::accepted(REFERENCE)));
        assert!(slow_took > Duration::from_secs(5), "{slow_took:?}");
        assert_eq!(started.elapsed(), slow_took);
    }

    #[tokio::test]
    async fn a_backlog_that_is_out_of_reach_has_the_customer_come_back() {
        let desk = FrontDesk { backlog: MemoryBacklog { broken: true, ..Default::default() }, ..desk() };

        assert_eq!(handle(&desk, &sample(), now()).await, unavailable());
    }

    #[tokio::test]
    async fn a_bad_request_is_refused_by_the_name_of_the_field() {
        let mut without_key = sample();
        without_key.headers.remove("idempotency-key");
        let mut not_json = sample();
        not_json.body = b"[".to_vec();
        let elsewhere = "https://example.com/elsewhere".into();

        for (request, message) in [
            (without_key, "the header `Idempotency-Key` is missing"),
            (not_json, "the body is not a JSON object: EOF while parsing a list at line 1 column 1"),
            (changed("/property", json!("999")), "`property` must be an object"),
            (changed("/property/nameOrNumber", json!(999)), "`property.nameOrNumber` must be a text"),
            (changed("/property/postcode", json!("")), "`property.postcode` must be a text"),
            (changed("/callbackUrl", elsewhere), "`callbackUrl` must be the URL that is registered for you"),
        ] {
            let answer = handle(&desk(), &request, now()).await;

            assert_eq!(answer, Answer::refusal(StatusCode::BAD_REQUEST, "malformed", message));
        }
    }

    #[tokio::test]
    async fn a_link_that_is_opened_requests_nothing() {
        let mut opened = sample();
        opened.method = Method::GET;

        let answer = handle(&desk(), &opened, now()).await;

        assert_eq!(answer.code, StatusCode::METHOD_NOT_ALLOWED);
    }
}
