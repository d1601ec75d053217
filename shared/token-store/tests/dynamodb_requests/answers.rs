//! What is made of every answer of DynamoDB: whether it is worth another attempt, and that it shows no token.

use std::{collections::HashMap, error::Error};

use aws_sdk_dynamodb::{
    Client,
    operation::{get_item::GetItemOutput, update_item::UpdateItemOutput},
    types::AttributeValue,
};
use aws_smithy_mocks::mock;
use token_store::{RendezvousError, TokenStore, aws::AwsFailure, store::StoreError};

use super::{
    TOKEN, delivered_item, key, n, n_text, query, refused, rendezvous, s, store, task, waiting_item,
    whole_item,
};

#[tokio::test]
async fn every_error_is_told_by_code_and_status_whether_it_is_temporary() {
    let answers = [
        (400, "ThrottlingException", "unavailable"),
        (400, "ProvisionedThroughputExceededException", "unavailable"),
        (400, "RequestLimitExceeded", "unavailable"),
        (400, "RequestTimeout", "unavailable"),
        (400, "TransactionConflictException", "unavailable"),
        (400, "ReplicatedWriteConflictException", "unavailable"),
        (500, "InternalServerError", "unavailable"),
        (503, "ServiceUnavailable", "unavailable"),
        (400, "AccessDeniedException", "rejected"),
        (400, "ValidationException", "rejected"),
        (400, "ResourceNotFoundException", "rejected"),
    ];

    for (status, code, meaning) in answers {
        let write = mock!(Client::update_item).sequence().http_status(status, body(code, "no")).build();
        let read = mock!(Client::get_item).sequence().http_status(status, body(code, "no")).build();
        let list = mock!(Client::query).sequence().http_status(status, body(code, "no")).build();
        let store = store(&[write, read, list]);

        let written = rendezvous(store.clone()).redeliver(&key()).await.unwrap_err();
        let read = store.get(&key()).await.unwrap_err();
        let listed = store.pending(&query()).await.unwrap_err();

        assert_eq!(written.is_retryable(), meaning == "unavailable", "{status} {code}");
        assert_eq!((meaning_of(&read), meaning_of(&listed)), (meaning, meaning), "{status} {code}");
        assert_eq!(read.source().unwrap().downcast_ref::<AwsFailure>().unwrap().code, code);
    }
}

#[tokio::test]
async fn no_answer_brings_the_token_into_any_text() {
    let said = format!("an attribute is too long: {TOKEN}");
    let broken_item = format!(r#"{{"Attributes":{{"task_token":{{"S":"{TOKEN}"}},"#);
    let rules = [
        mock!(Client::update_item).sequence().http_status(400, body("ValidationException", &said)).build(),
        mock!(Client::update_item).sequence().http_status(500, body("InternalServerError", &said)).build(),
        mock!(Client::update_item).sequence().http_status(200, Some(broken_item)).build(),
        mock!(Client::update_item).then_output(|| {
            let mut item = waiting_item();
            item.remove("execution");
            UpdateItemOutput::builder().set_attributes(Some(item)).build()
        }),
        mock!(Client::update_item).then_error(|| {
            let mut item = waiting_item();
            item.insert("wait_started".to_owned(), s(TOKEN));
            refused(Some(item))
        }),
    ];

    let registered = rules.map(|rule| rendezvous(store(&[rule])));
    let whole = mock!(Client::update_item)
        .then_output(|| UpdateItemOutput::builder().set_attributes(Some(whole_item())).build());
    let unrecorded =
        mock!(Client::update_item).sequence().http_status(400, body("ValidationException", &said)).build();
    let redelivered = rendezvous(store(&[whole, unrecorded])).redeliver(&key()).await.unwrap_err();

    let mut errors = vec![redelivered];
    for rendezvous in registered {
        errors.push(rendezvous.register(&key(), task()).await.unwrap_err());
    }

    for error in errors {
        let source = error.source().map(|source| format!("{source} {source:?}"));
        let texts = format!("{error} {error:?} {error:#?} {source:?}");
        assert!(!texts.contains(TOKEN), "{texts}");
    }
}

#[tokio::test]
async fn what_the_service_says_stays_readable_around_the_token() {
    let said = format!("{TOKEN} is too long");
    let rule =
        mock!(Client::update_item).sequence().http_status(400, body("ValidationException", &said)).build();

    let store = store(&[rule]);
    let error = rendezvous(store).register(&key(), task()).await.unwrap_err();

    let RendezvousError::Store(StoreError::Rejected { source }) = error else { panic!("{error:?}") };
    let failure: &AwsFailure = source.downcast_ref().unwrap();
    assert_eq!(failure.message, "[REDACTED] is too long");
}

#[tokio::test]
async fn an_item_that_this_crate_did_not_write_is_named_by_its_attribute() {
    let broken = [
        ("task_token", s("")),
        ("wait_started", s("yesterday")),
        ("deadline", s("1")),
        ("execution", n(1)),
        ("registered_at", n_text("-1")),
        ("outcome", s("350000")),
        ("completed_at", s("now")),
        ("delivery", s("perhaps")),
        ("delivered_at", s("")),
        ("attempts", n_text("many")),
        ("unconfirmed", AttributeValue::M(HashMap::new())),
        ("pending_since", s("")),
        ("expires_at", n_text("1.5")),
    ];

    for (attribute, value) in broken {
        let rule = mock!(Client::get_item).then_output(move || {
            let mut item = delivered_item();
            item.insert(attribute.to_owned(), value.clone());
            GetItemOutput::builder().set_item(Some(item)).build()
        });
        let error = store(&[rule]).get(&key()).await.unwrap_err();
        assert_eq!(error.to_string(), format!("the item's attribute {attribute} cannot be read"));
    }
}

#[tokio::test]
async fn neither_items_nor_requests_show_the_token_in_debug() {
    let rule =
        mock!(Client::get_item).then_output(|| GetItemOutput::builder().set_item(Some(whole_item())).build());

    let item = store(&[rule]).get(&key()).await.unwrap().unwrap();
    let pair = item.pair();

    assert!(!format!("{item:?} {pair:#?}").contains(TOKEN));
}

fn meaning_of(error: &StoreError) -> &'static str {
    match error {
        StoreError::Unavailable { .. } => "unavailable",
        StoreError::Rejected { .. } => "rejected",
        _ => "malformed",
    }
}

fn body(code: &str, message: &str) -> Option<String> {
    let code = format!("com.amazonaws.dynamodb.v20120810#{code}");
    Some(serde_json::json!({ "__type": code, "message": message }).to_string())
}
