//! What every part store does.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    sync::Arc,
    time::{Duration, SystemTime},
};

use token_store::{
    CallbackKey, Completion, GatherError, Gathering, Outcome, Part, Rendezvous, RendezvousError, TokenStore,
    callbacks::CallbackError,
    item::RETENTION,
    protocol::{GatherStep, When, gather as begin},
    store::PartStore,
    tally::{Tallied, TallyUpdate},
    testing::RecordingTaskCallbacks,
};

use super::{MINUTE, a_key, complete, now, register, success, token, unavailable, wait};

/// Notes a part; the outcome is the number of parts.
async fn done(
    store: &(impl TokenStore + PartStore),
    steps: &RecordingTaskCallbacks,
    key: &CallbackKey,
    (number, of): (u32, u32),
    at: SystemTime,
) -> Result<Gathering, GatherError<Infallible>> {
    let combine = async { Ok(success(of.try_into().unwrap())) };
    let part = Part::new(number, of).unwrap();
    Rendezvous::new(store, steps).with_clock(move || at).gather(key, part, combine).await
}

pub(crate) async fn the_last_part_completes_the_key_in_whatever_order_they_come(
    store: impl TokenStore + PartStore,
) {
    let (key, steps) = (a_key(), RecordingTaskCallbacks::default());
    register(&store, &steps, &key, token("t"), wait(1), now()).await.unwrap();
    let of = 2 * Part::GROUP + 3;
    let mut numbers: Vec<u32> = (1..=of).rev().collect();
    numbers.rotate_left(100);
    let last = numbers.pop().unwrap();

    for number in numbers {
        let gathered = done(&store, &steps, &key, (number, of), now()).await.unwrap();
        assert_eq!(gathered, Gathering::Incomplete, "{number}");
    }
    let sent_before = steps.sent();
    let gathered = done(&store, &steps, &key, (last, of), now() + MINUTE).await.unwrap();

    assert_eq!(sent_before, []);
    assert_eq!(gathered, Gathering::Complete(Completion::Delivered { waited: MINUTE }));
    assert_eq!(steps.sent(), [(token("t"), success(259))]);
}

pub(crate) async fn a_part_that_comes_again_counts_once_and_combines_nothing_again(
    store: impl TokenStore + PartStore,
) {
    let (key, steps) = (a_key(), RecordingTaskCallbacks::default());
    let part = async |number| done(&store, &steps, &key, (number, 2), now()).await.unwrap();

    let gathered = [part(1).await, part(1).await, part(2).await, part(1).await, part(2).await];

    let (first, again) = (Gathering::Complete(Completion::Parked), Gathering::AlreadyComplete);
    assert_eq!(gathered, [Gathering::Incomplete, Gathering::Incomplete, first, again, again]);
}

pub(crate) async fn a_part_is_repeated_until_its_outcome_is_delivered(store: impl TokenStore + PartStore) {
    let (key, steps) = (a_key(), RecordingTaskCallbacks::default());
    register(&store, &steps, &key, token("t"), wait(1), now()).await.unwrap();
    let part = Part::new(1, 1).unwrap();

    let combining_fails = async { Err::<Outcome, _>(std::fmt::Error) };
    let not_combined = Rendezvous::new(&store, &steps).gather(&key, part, combining_fails).await.unwrap_err();
    steps.fail_next(unavailable());
    let not_delivered = done(&store, &steps, &key, (1, 1), now()).await.unwrap_err();
    let delivered = done(&store, &steps, &key, (1, 1), now()).await.unwrap();

    assert!(matches!(not_combined, GatherError::Combine(std::fmt::Error)));
    assert!(not_combined.is_retryable(|_| true) && !not_combined.is_retryable(|_| false));
    assert!(not_delivered.is_retryable(|never| match *never {}));
    let GatherError::Rendezvous(not_delivered) = not_delivered else { panic!("{not_delivered:?}") };
    assert!(matches!(not_delivered, RendezvousError::Callback(CallbackError::Unavailable { .. })));
    assert!(matches!(delivered, Gathering::Complete(Completion::Delivered { .. })));
    assert_eq!(steps.sent(), [(token("t"), success(1))]);
}

pub(crate) async fn an_outcome_that_came_before_the_last_part_stays(store: impl TokenStore + PartStore) {
    let (key, steps) = (a_key(), RecordingTaskCallbacks::default());
    register(&store, &steps, &key, token("t"), wait(1), now()).await.unwrap();
    let failure = Outcome::failure("ProcessingFailed", "part 2 is not UTF-8");
    complete(&store, &steps, &key, failure.clone(), now()).await.unwrap();

    let gathered = done(&store, &steps, &key, (1, 1), now()).await.unwrap();

    assert_eq!(gathered, Gathering::Complete(Completion::Conflict));
    assert_eq!(steps.sent(), [(token("t"), failure)]);
}

pub(crate) async fn another_number_of_parts_is_refused(store: impl TokenStore + PartStore) {
    let (key, steps) = (a_key(), RecordingTaskCallbacks::default());
    done(&store, &steps, &key, (1, 2), now()).await.unwrap();

    let refused = done(&store, &steps, &key, (2, 3), now()).await.unwrap_err();
    let completed = done(&store, &steps, &key, (2, 2), now()).await.unwrap();

    assert!(matches!(refused, GatherError::OtherCount { begun_with: 2 }));
    assert!(!refused.is_retryable(|never| match *never {}));
    assert_eq!(completed, Gathering::Complete(Completion::Parked));
}

pub(crate) async fn parts_that_have_expired_are_not_counted(store: impl TokenStore + PartStore) {
    let (key, steps) = (a_key(), RecordingTaskCallbacks::default());
    let later = now() + RETENTION;
    done(&store, &steps, &key, (1, 2), now()).await.unwrap();
    done(&store, &steps, &key, (2, 2), now()).await.unwrap();

    let one = done(&store, &steps, &key, (2, 2), later).await.unwrap();
    let both = done(&store, &steps, &key, (1, 2), later).await.unwrap();

    assert_eq!((one, both), (Gathering::Incomplete, Gathering::Complete(Completion::Parked)));
}

pub(crate) async fn a_key_that_is_waited_on_again_gathers_another_round(store: impl TokenStore + PartStore) {
    let (key, steps) = (a_key(), RecordingTaskCallbacks::default());
    let rendezvous = Rendezvous::new(&store, &steps).with_clock(now);
    let part = async |number, round, outcome| {
        let part = Part::new(number, 2).unwrap().of_round(round);
        rendezvous.gather(&key, part, async { Ok::<_, Infallible>(success(outcome)) }).await.unwrap()
    };
    let mut gathered = vec![];
    for (round, token_of_round) in [(0, "first"), (1, "second"), (u32::MAX, "third")] {
        register(&store, &steps, &key, token(token_of_round), wait(round.min(2)), now()).await.unwrap();
        gathered.extend([part(1, round, 1).await, part(2, round, 2).await, part(1, 0, 3).await]);
    }

    let complete = Gathering::Complete(Completion::Delivered { waited: Duration::ZERO });
    let round = [Gathering::Incomplete, complete, Gathering::AlreadyComplete];
    assert_eq!(gathered, [round, round, round].concat());
    assert_eq!(steps.sent(), ["first", "second", "third"].map(|of| (token(of), success(2))));
}

pub(crate) async fn of_many_parts_at_once_one_completes_the_key(
    store: impl TokenStore + PartStore + 'static,
) {
    let (key, steps) = (a_key(), RecordingTaskCallbacks::default());
    register(&store, &steps, &key, token("t"), wait(1), now()).await.unwrap();
    let all = Arc::new((store, steps));
    let of = Part::GROUP + 12;

    let mut calls = tokio::task::JoinSet::new();
    for number in (1..=of).chain(1..=of) {
        let (all, key) = (all.clone(), key.clone());
        calls.spawn(async move { done(&all.0, &all.1, &key, (number, of), now()).await.unwrap() });
    }
    let gathered = calls.join_all().await;

    assert!(gathered.iter().any(|gathered| matches!(gathered, Gathering::Complete(_))));
    assert_eq!(all.1.sent(), [(token("t"), success(140))]);
}

pub(crate) async fn every_write_of_gather_does_what_apply_does(store: impl TokenStore + PartStore) {
    let key = a_key();
    let mut tallies = BTreeMap::new();
    let mut updates = BTreeSet::new();
    let calls = [(1, 2), (2, 3), (1, 2), (2, 2)].map(|part| (part, now()));
    for ((number, of), at) in calls.into_iter().chain(calls.map(|(part, _)| (part, now() + RETENTION))) {
        let mut step = begin(Part::new(number, of).unwrap(), When::new(at, RETENTION));
        loop {
            step = match step {
                GatherStep::Tally(tallying) => {
                    let update: &TallyUpdate = tallying.update();
                    let found = tallies.get(&update.name).cloned();
                    let expected = update.apply(found.as_ref());

                    let tallied = store.tally(&key, update).await.unwrap();

                    assert_eq!(tallied, expected.clone().map_or(Tallied::Refused(found), Tallied::Stored));
                    updates.insert((format!("{:?}", update.any_of), expected.is_some()));
                    tallies.extend(expected.map(|tally| (update.name, tally)));
                    tallying.resume(tallied)
                }
                GatherStep::Combine(combining) => combining.recorded(),
                GatherStep::Done(_) => break,
            };
        }
    }
    assert!(updates.iter().any(|(_, stored)| !stored) && updates.len() > 6, "{updates:?}");
}
