//! What a part of a set costs.

use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
};

use aws_sdk_dynamodb::{
    Client,
    operation::update_item::UpdateItemInput,
    types::{AttributeValue, ReturnValue},
};
use aws_smithy_mocks::mock;
use token_store::{CallbackKey, Completion, DynamoDbTokenStore, GatherError, Gathering, Part};

use super::{Requests, attributes, key, n, parked_item, refused, rendezvous, s, store, success};

#[tokio::test]
async fn part_10_and_part_10000_cost_the_same() {
    let of = 12_000;
    let mut costs = vec![];
    for number in [10, 10_000] {
        let requests = Requests::default();
        let group = group_item("parts/78#document#execution", 20, of);
        let store = store(&[requests.answered(group.clone())]);

        let gathered = part_done(store, number, of).await.unwrap();

        assert_eq!(gathered, Gathering::Incomplete);
        let [request] = <[_; 1]>::try_from(requests.taken()).unwrap();
        let condition = request.condition_expression().unwrap().to_owned();
        let update = request.update_expression().unwrap().to_owned();
        costs.push((condition, update, sizes(request.expression_attribute_values().unwrap())));
    }

    assert_eq!(costs[0], costs[1]);
    assert_eq!(
        (&*costs[0].0, &*costs[0].1),
        (
            "(attribute_not_exists(#callback_key)) OR (#part_count = :same_count AND #expires_at > :now)",
            "SET #part_count = :part_count, #expires_at = :expires_at ADD #members :member"
        )
    );
}

#[tokio::test]
async fn each_part_adds_its_number_to_the_item_of_its_group() {
    let requests = Requests::default();
    let store = store(&[requests.answered(group_item("parts/78#valuation#VAL-17", 20, 12_000))]);

    part_done(store, 10_000, 12_000).await.unwrap();

    let [request] = <[_; 1]>::try_from(requests.taken()).unwrap();
    assert_eq!(request.table_name(), Some("TaskTokens"));
    assert_eq!(request.key(), Some(&attributes([("callback_key", s("parts/78#valuation#VAL-17"))])));
    assert_eq!(
        request.expression_attribute_values(),
        Some(&attributes([
            (":same_count", n(12_000)),
            (":part_count", n(12_000)),
            (":now", n(1_772_366_400)),
            (":expires_at", n(1_772_366_400 + 15 * 24 * 3_600)),
            (":member", AttributeValue::Ns(vec!["15".to_owned()])),
        ]))
    );
    assert_eq!(request.return_values(), Some(&ReturnValue::AllNew));
}

/// The last part of its group writes twice; the last of all also completes the key and notes it.
#[tokio::test]
async fn only_the_last_part_of_a_group_and_of_all_cost_more() {
    let of = 12_000;
    let full = group_item("parts/78#valuation#VAL-17", 128, of);
    let some_groups = group_item("parts/all#valuation#VAL-17", 93, of);
    let all_groups = group_item("parts/all#valuation#VAL-17", 94, of);
    let requests = Requests::default();
    let answers = [full, all_groups.clone(), parked_item(), all_groups].map(|item| requests.answered(item));

    let last_of_all = part_done(store(&answers), 10_000, of).await.unwrap();
    let for_the_last = requests.taken();
    let group = requests.answered(group_item("parts/78#valuation#VAL-17", 128, of));
    let last_of_group = part_done(store(&[group, requests.answered(some_groups)]), 10_000, of).await.unwrap();
    let for_the_group = requests.taken();

    assert_eq!(last_of_all, Gathering::Complete(Completion::Parked));
    assert_eq!(last_of_group, Gathering::Incomplete);
    let keys = |requests: &[UpdateItemInput]| -> Vec<String> {
        requests.iter().map(|r| r.key().unwrap()["callback_key"].as_s().unwrap().clone()).collect()
    };
    let (group, all) = ("parts/78#valuation#VAL-17", "parts/all#valuation#VAL-17");
    assert_eq!(keys(&for_the_last), [group, all, "valuation#VAL-17", all]);
    assert_eq!(for_the_last[3].update_expression(), Some("SET #combined = :combined"));
    assert_eq!(keys(&for_the_group), [group, all]);
}

#[tokio::test]
async fn a_set_that_lives_with_another_count_refuses_the_part() {
    let other = || refused(Some(group_item("parts/78#valuation#VAL-17", 1, 10_001)));
    let store = store(&[mock!(Client::update_item).then_error(other)]);

    let refused = part_done(store, 10_000, 12_000).await;

    assert!(matches!(refused, Err(GatherError::OtherCount { begun_with: 10_001 })), "{refused:?}");
}

/// DynamoDB takes partition keys of at most 2,048 bytes.
#[tokio::test]
async fn the_longest_key_leaves_room_for_its_parts() {
    let longest = CallbackKey::new("document", &"x".repeat(2_027 - "document#".len())).unwrap();
    let requests = Requests::default();
    let group = group_item("parts/4294967295.127#document", 1, Part::MOST);
    let part = Part::new(Part::MOST, Part::MOST).unwrap().of_round(u32::MAX);

    let combine = async { Ok::<_, Infallible>(success()) };
    rendezvous(store(&[requests.answered(group)])).gather(&longest, part, combine).await.unwrap();

    let [request] = <[_; 1]>::try_from(requests.taken()).unwrap();
    assert_eq!(request.key().unwrap()["callback_key"].as_s().unwrap().len(), 2_048);
}

/// DynamoDB bills a write for each 1,024 bytes of the item.
#[test]
fn no_item_of_a_set_is_larger_than_one_write_unit() {
    let key = format!("parts/127#{}", "k".repeat(400));
    let mut largest = group_item(&key, Part::GROUP, Part::MOST);
    largest.insert("combined".to_owned(), AttributeValue::Bool(true));

    let sizes: usize = sizes(&largest).iter().map(|(name, bytes)| name.len() + bytes).sum();

    assert!((700..=1_024).contains(&sizes), "{sizes} bytes");
}

async fn part_done(
    store: DynamoDbTokenStore,
    number: u32,
    of: u32,
) -> Result<Gathering, GatherError<Infallible>> {
    let part = Part::new(number, of).unwrap();
    let combine = async { Ok(success()) };
    rendezvous(store).gather(&key(), part, combine).await
}

fn group_item(partition_key: &str, members: u32, of: u32) -> HashMap<String, AttributeValue> {
    attributes([
        ("callback_key", s(partition_key)),
        ("members", AttributeValue::Ns((0..members).map(|member| member.to_string()).collect())),
        ("part_count", n(of.into())),
        ("expires_at", n(1_773_666_000)),
    ])
}

/// The bytes of each value, as DynamoDB counts them: a number has one for two digits and one more.
fn sizes(values: &HashMap<String, AttributeValue>) -> BTreeMap<String, usize> {
    let number = |digits: &String| digits.len().div_ceil(2) + 1;
    let size = |value: &AttributeValue| match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => number(digits),
        AttributeValue::Ns(members) => 3 + members.iter().map(number).sum::<usize>(),
        AttributeValue::Bool(_) => 1,
        other => panic!("no item of a set has {other:?}"),
    };
    values.iter().map(|(name, value)| (name.clone(), size(value))).collect()
}
