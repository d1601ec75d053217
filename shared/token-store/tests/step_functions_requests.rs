//! What the Step Functions adapter asks of AWS, and what it makes of every answer.

#![expect(clippy::unwrap_used, reason = "all of this is test code")]

use std::error::Error;

use aws_sdk_sfn::{
    Client,
    config::{BehaviorVersion, Credentials, Region, http::HttpResponse, retry::RetryConfig},
    operation::{
        send_task_failure::{SendTaskFailureError, SendTaskFailureOutput},
        send_task_heartbeat::{SendTaskHeartbeatError, SendTaskHeartbeatOutput},
        send_task_success::{SendTaskSuccessError, SendTaskSuccessOutput},
    },
    types::error::{
        InvalidOutput, InvalidToken, KmsAccessDeniedException, KmsInvalidStateException, TaskDoesNotExist,
        TaskTimedOut,
    },
};
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
use token_store::{
    Outcome, StepFunctionsTaskCallbacks, TaskCallbacks, TaskToken,
    aws::AwsFailure,
    callbacks::{Attempt, CallbackError},
};

const TOKEN: &str = "AQCEAAAAKgAAAAMAAAAA-the-credential";

#[tokio::test]
async fn a_success_is_sent_with_its_token_and_output() {
    let rule = mock!(Client::send_task_success)
        .match_requests(|request| {
            request.task_token() == Some(TOKEN) && request.output() == Some(r#"{"propertyValue":350000}"#)
        })
        .then_output(|| SendTaskSuccessOutput::builder().build());

    let sent = callbacks(&rule).send_outcome(&token(), &success()).await;

    assert!(sent.is_ok(), "{sent:?}");
    assert_eq!(rule.num_calls(), 1);
}

#[tokio::test]
async fn a_failure_is_sent_with_its_token_error_and_cause() {
    let rule = mock!(Client::send_task_failure)
        .match_requests(|request| {
            request.task_token() == Some(TOKEN)
                && request.error() == Some("ValuationFailed")
                && request.cause() == Some("no such house")
        })
        .then_output(|| SendTaskFailureOutput::builder().build());

    let sent = callbacks(&rule).send_outcome(&token(), &failure()).await;

    assert!(sent.is_ok(), "{sent:?}");
    assert_eq!(rule.num_calls(), 1);
}

#[tokio::test]
async fn a_heartbeat_is_sent_with_its_token() {
    let rule = mock!(Client::send_task_heartbeat)
        .match_requests(|request| request.task_token() == Some(TOKEN))
        .then_output(|| SendTaskHeartbeatOutput::builder().build());

    let sent = callbacks(&rule).send_heartbeat(&token()).await;

    assert!(sent.is_ok(), "{sent:?}");
    assert_eq!(rule.num_calls(), 1);
}

#[tokio::test]
async fn every_answer_to_a_success_has_its_meaning() {
    type Answer = fn() -> SendTaskSuccessError;
    let answers: [(Answer, &str); 6] = [
        (|| SendTaskSuccessError::TaskTimedOut(TaskTimedOut::builder().build()), "closed"),
        (|| SendTaskSuccessError::TaskDoesNotExist(TaskDoesNotExist::builder().build()), "closed"),
        (|| SendTaskSuccessError::InvalidToken(InvalidToken::builder().build()), "invalid token"),
        (|| SendTaskSuccessError::InvalidOutput(InvalidOutput::builder().build()), "invalid output"),
        (
            || SendTaskSuccessError::KmsAccessDeniedException(KmsAccessDeniedException::builder().build()),
            "rejected",
        ),
        (
            || SendTaskSuccessError::KmsInvalidStateException(KmsInvalidStateException::builder().build()),
            "rejected",
        ),
    ];

    for (answer, meaning) in answers {
        let rule = mock!(Client::send_task_success).then_error(answer);
        let error = callbacks(&rule).send_outcome(&token(), &success()).await.unwrap_err();
        assert_eq!(meaning_of(&error), meaning, "{:?}", answer());
    }
}

#[tokio::test]
async fn every_answer_to_a_failure_has_its_meaning() {
    type Answer = fn() -> SendTaskFailureError;
    let answers: [(Answer, &str); 5] = [
        (|| SendTaskFailureError::TaskTimedOut(TaskTimedOut::builder().build()), "closed"),
        (|| SendTaskFailureError::TaskDoesNotExist(TaskDoesNotExist::builder().build()), "closed"),
        (|| SendTaskFailureError::InvalidToken(InvalidToken::builder().build()), "invalid token"),
        (
            || SendTaskFailureError::KmsAccessDeniedException(KmsAccessDeniedException::builder().build()),
            "rejected",
        ),
        (
            || SendTaskFailureError::KmsInvalidStateException(KmsInvalidStateException::builder().build()),
            "rejected",
        ),
    ];

    for (answer, meaning) in answers {
        let rule = mock!(Client::send_task_failure).then_error(answer);
        let error = callbacks(&rule).send_outcome(&token(), &failure()).await.unwrap_err();
        assert_eq!(meaning_of(&error), meaning, "{:?}", answer());
    }
}

#[tokio::test]
async fn every_answer_to_a_heartbeat_has_its_meaning() {
    type Answer = fn() -> SendTaskHeartbeatError;
    let answers: [(Answer, &str); 3] = [
        (|| SendTaskHeartbeatError::TaskTimedOut(TaskTimedOut::builder().build()), "closed"),
        (|| SendTaskHeartbeatError::TaskDoesNotExist(TaskDoesNotExist::builder().build()), "closed"),
        (|| SendTaskHeartbeatError::InvalidToken(InvalidToken::builder().build()), "invalid token"),
    ];

    for (answer, meaning) in answers {
        let rule = mock!(Client::send_task_heartbeat).then_error(answer);
        let error = callbacks(&rule).send_heartbeat(&token()).await.unwrap_err();
        assert_eq!(meaning_of(&error), meaning, "{:?}", answer());
    }
}

#[tokio::test]
async fn answers_that_the_model_does_not_name_are_told_apart_by_code_and_status() {
    let answers = [
        (400, "ThrottlingException", "unavailable"),
        (400, "RequestLimitExceeded", "unavailable"),
        (400, "KmsThrottlingException", "unavailable"),
        (429, "SomethingNew", "unavailable"),
        (500, "InternalFailure", "unavailable"),
        (503, "ServiceUnavailable", "unavailable"),
        (400, "AccessDeniedException", "rejected"),
        (400, "ValidationException", "rejected"),
        (403, "ExpiredTokenException", "rejected"),
    ];

    for (status, code, meaning) in answers {
        let rule = mock!(Client::send_task_success).sequence().http_status(status, body(code, "no")).build();
        let error = callbacks(&rule).send_outcome(&token(), &success()).await.unwrap_err();
        assert_eq!(meaning_of(&error), meaning, "{status} {code}");
        assert_eq!(error.source().unwrap().downcast_ref::<AwsFailure>().unwrap().code, code);
    }
}

#[tokio::test]
async fn a_task_closed_at_the_first_answer_is_closed_at_the_first_attempt() {
    let rule =
        mock!(Client::send_task_success).sequence().http_status(400, body("TaskTimedOut", "gone")).build();

    let error = retrying_callbacks(&rule).send_outcome(&token(), &success()).await.unwrap_err();

    assert!(matches!(error, CallbackError::TaskClosed { attempt: Attempt::First }), "{error:?}");
}

#[tokio::test]
async fn a_task_closed_after_a_broken_answer_may_have_been_closed_by_the_sdks_own_first_attempt() {
    let rule = mock!(Client::send_task_failure)
        .sequence()
        .http_status(500, body("InternalFailure", "lost"))
        .http_status(400, body("TaskTimedOut", "gone"))
        .build();

    let error = retrying_callbacks(&rule).send_outcome(&token(), &failure()).await.unwrap_err();

    assert!(matches!(error, CallbackError::TaskClosed { attempt: Attempt::Repeat }), "{error:?}");
    assert_eq!(rule.num_calls(), 2);
}

#[tokio::test]
async fn a_task_closed_after_a_throttled_attempt_was_closed_by_somebody_else() {
    let rule = mock!(Client::send_task_success)
        .sequence()
        .http_status(400, body("ThrottlingException", "slow down"))
        .http_status(400, body("TaskTimedOut", "gone"))
        .build();

    let error = retrying_callbacks(&rule).send_outcome(&token(), &success()).await.unwrap_err();

    assert!(matches!(error, CallbackError::TaskClosed { attempt: Attempt::First }), "{error:?}");
    assert_eq!(rule.num_calls(), 2);
}

#[tokio::test]
async fn an_answer_that_repeats_the_token_does_not_bring_it_into_any_text() {
    let answers = [(400, "ValidationException"), (400, "ThrottlingException"), (500, "InternalFailure")];

    for (status, code) in answers {
        let said = format!("Value '{TOKEN}' at 'taskToken' failed");
        let rule = mock!(Client::send_task_success).sequence().http_status(status, body(code, &said)).build();
        let error = callbacks(&rule).send_outcome(&token(), &success()).await.unwrap_err();

        let source = error.source().unwrap();
        let texts = format!("{error} {error:?} {error:#?} {source} {source:?}");
        assert!(!texts.contains(TOKEN), "{texts}");
        assert_eq!(source.to_string(), format!("{code}: Value '[REDACTED]' at 'taskToken' failed"));
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_an_unavailable_service() {
    let rule = mock!(Client::send_task_success).sequence().http_status(502, Some(TOKEN.to_owned())).build();

    let error = callbacks(&rule).send_outcome(&token(), &success()).await.unwrap_err();

    assert_eq!(meaning_of(&error), "unavailable");
    assert!(!format!("{error:?} {}", error.source().unwrap()).contains(TOKEN));
}

#[tokio::test]
async fn a_network_that_does_not_answer_is_an_unavailable_service() {
    let configuration = aws_sdk_sfn::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("eu-west-1"))
        .credentials_provider(Credentials::for_tests())
        .retry_config(RetryConfig::disabled())
        .endpoint_url("http://127.0.0.1:1")
        .build();
    let callbacks = StepFunctionsTaskCallbacks::new(Client::from_conf(configuration));

    let error = callbacks.send_outcome(&token(), &success()).await.unwrap_err();

    assert_eq!(meaning_of(&error), "unavailable");
    assert_eq!(error.source().unwrap().downcast_ref::<AwsFailure>().unwrap().code, "Dispatch");
    assert!(!format!("{error:?} {}", error.source().unwrap()).contains(TOKEN));
}

#[tokio::test]
async fn an_error_keeps_the_id_of_the_request() {
    let rule = mock!(Client::send_task_success).then_http_response(|| {
        let no_key = body("KmsAccessDeniedException", "no key").unwrap();
        let mut response = HttpResponse::new(400.try_into().unwrap(), no_key.into());
        response.headers_mut().insert("x-amzn-requestid", "42");
        response
    });

    let error = callbacks(&rule).send_outcome(&token(), &success()).await.unwrap_err();

    assert_eq!(error.to_string(), "Step Functions refused the request");
    assert_eq!(error.source().unwrap().to_string(), "KmsAccessDeniedException: no key (request 42)");
}

fn callbacks(rule: &Rule) -> StepFunctionsTaskCallbacks {
    StepFunctionsTaskCallbacks::new(mock_client!(
        aws_sdk_sfn,
        RuleMode::Sequential,
        [rule],
        |configuration| { configuration.retry_config(RetryConfig::disabled()) }
    ))
}

fn retrying_callbacks(rule: &Rule) -> StepFunctionsTaskCallbacks {
    StepFunctionsTaskCallbacks::new(mock_client!(
        aws_sdk_sfn,
        RuleMode::Sequential,
        [rule],
        |configuration| {
            let at_once = std::time::Duration::from_millis(1);
            configuration.retry_config(RetryConfig::standard().with_max_backoff(at_once))
        }
    ))
}

fn meaning_of(error: &CallbackError) -> &'static str {
    match error {
        CallbackError::TaskClosed { .. } => "closed",
        CallbackError::InvalidToken => "invalid token",
        CallbackError::InvalidOutput => "invalid output",
        CallbackError::Unavailable { .. } => "unavailable",
        _ => "rejected",
    }
}

fn body(code: &str, message: &str) -> Option<String> {
    Some(serde_json::json!({ "__type": format!("com.amazonaws.swf#{code}"), "message": message }).to_string())
}

fn token() -> TaskToken {
    TaskToken::new(TOKEN).unwrap()
}

fn success() -> Outcome {
    Outcome::success(r#"{"propertyValue":350000}"#).unwrap()
}

fn failure() -> Outcome {
    Outcome::failure("ValuationFailed", "no such house")
}
