//! What every token store does, whatever it keeps its items in. `contract!` makes a test of each function below,
//! on the store that its argument opens.

mod equivalence;
mod parts;

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use token_store::{
    CallbackKey, Completion, Delivery, Heartbeat, Outcome, Registration, Rendezvous, RendezvousError,
    TaskToken, TokenStore, WaitingTask,
    callbacks::{Attempt, CallbackError},
    item::{Completed, Item, RETENTION, Recorded, Registered},
    store::{Pending, PendingQuery, PendingState},
    testing::{RecordingTaskCallbacks, waiting_task},
    wait::{InvalidWait, LateOutcomes, Wait, WaitStarted},
};

pub(crate) use equivalence::every_write_does_to_every_item_what_apply_does;
pub(crate) use parts::{
    a_key_that_is_waited_on_again_gathers_another_round, a_part_is_repeated_until_its_outcome_is_delivered,
    a_part_that_comes_again_counts_once_and_combines_nothing_again,
    an_outcome_that_came_before_the_last_part_stays, another_number_of_parts_is_refused,
    every_write_of_gather_does_what_apply_does, of_many_parts_at_once_one_completes_the_key,
    parts_that_have_expired_are_not_counted, the_last_part_completes_the_key_in_whatever_order_they_come,
};

/// Makes the tests.
macro_rules! contract {
    ($open:expr) => {
        contract!(@each $open, []);
    };
    ($open:expr, ignore = $reason:literal) => {
        contract!(@each $open, [#[ignore = $reason]]);
    };
    (@each $open:expr, $attributes:tt) => {
        contract!(@tests $open, $attributes:
            an_outcome_resumes_the_task_that_waits,
            an_early_outcome_is_parked_and_resumes_the_task_that_comes,
            a_failure_is_delivered_as_one,
            the_same_outcome_again_is_a_duplicate_and_another_a_conflict,
            the_same_wait_again_is_registered_once,
            an_outcome_after_the_timeout_is_late_and_goes_to_the_newer_wait,
            a_parked_outcome_whose_wait_is_over_is_late,
            an_unconfirmed_failure_is_set_aside_by_the_retry_that_it_may_have_caused,
            an_unconfirmed_success_goes_to_a_retry_of_the_entry_and_not_to_another_entry,
            a_registration_that_cannot_send_succeeds_and_leaves_the_delivery_open,
            an_undelivered_success_goes_to_the_retry_of_the_function_that_could_not_send_it,
            a_refused_outcome_frees_the_key_for_a_corrected_one,
            a_parked_outcome_that_is_refused_leaves_the_task_waiting,
            an_older_waits_token_or_outcome_or_throttle_fails_no_newer_registration,
            the_same_start_with_another_token_is_another_wait,
            a_living_wait_of_another_execution_is_not_displaced_in_silence,
            a_wait_whose_deadline_has_passed_is_displaced_without_a_report,
            an_undelivered_outcome_of_a_displaced_execution_is_sent_to_it_or_reported,
            a_late_outcome_goes_to_another_execution_only_if_that_opts_in,
            a_wait_that_does_not_say_when_it_began_is_refused_before_anything_is_written,
            a_pair_is_kept_until_the_waits_deadline_and_the_retention_have_passed,
            a_delivery_left_open_is_finished_once,
            a_half_has_nothing_to_deliver_and_stays_as_it_is,
            a_repeat_that_finds_the_task_gone_is_unconfirmed,
            a_newer_entry_settles_the_older_one_first,
            an_older_wait_that_comes_after_a_newer_one_is_superseded,
            a_newer_wait_without_outcome_replaces_an_older_one,
            a_finished_key_can_be_waited_on_again,
            an_expired_wait_does_not_meet_a_new_outcome,
            an_expired_outcome_does_not_meet_a_new_wait,
            a_token_that_was_never_valid_is_reported_once_and_its_outcome_kept,
            what_is_stored_is_read_back_whole,
            what_waits_is_listed_by_kind_and_age,
            the_list_has_pages,
            a_heartbeat_says_whether_anybody_waits,
            of_many_outcomes_at_once_one_is_taken,
            every_write_does_to_every_item_what_apply_does,
            the_last_part_completes_the_key_in_whatever_order_they_come,
            a_part_that_comes_again_counts_once_and_combines_nothing_again,
            a_part_is_repeated_until_its_outcome_is_delivered,
            an_outcome_that_came_before_the_last_part_stays,
            another_number_of_parts_is_refused,
            parts_that_have_expired_are_not_counted,
            a_key_that_is_waited_on_again_gathers_another_round,
            of_many_parts_at_once_one_completes_the_key,
            every_write_of_gather_does_what_apply_does,
        );
    };
    (@tests $open:expr, $attributes:tt: $($name:ident,)*) => {
        $(contract!(@test $open, $attributes: $name);)*
    };
    (@test $open:expr, [$($attribute:tt)*]: $name:ident) => {
        $($attribute)*
        #[tokio::test]
        async fn $name() {
            contract::$name($open.await).await;
        }
    };
}
pub(crate) use contract;

pub(crate) async fn an_outcome_resumes_the_task_that_waits(store: impl TokenStore) {
    let (key, steps) = (a_key(), RecordingTaskCallbacks::default());

    let registered = register(&store, &steps, &key, token("t"), wait(1), now()).await.unwrap();
    let completed = complete(&store, &steps, &key, success(1), now() + MINUTE).await.unwrap();

    assert_eq!(registered, Registration::Waiting);
    assert_eq!(completed, Completion::Delivered { waited: MINUTE });
    assert_eq!(steps.sent(), [(token("t"), success(1))]);
    let item = store.get(&key).await.unwrap().unwrap();
    assert_eq!(item.delivery, Some(Recorded { delivery: Delivery::Delivered, at: now() + MINUTE }));
    assert_eq!(item.pending_since, None);
}

pub(crate) async fn an_early_outcome_is_parked_and_resumes_the_task_that_comes(store: impl TokenStore) {
    let (key, steps) = (a_key(), RecordingTaskCallbacks::default());

    let parked = complete(&store, &steps, &key, success(1), now()).await.unwrap();
    let parked_again = complete(&store, &steps, &key, success(1), now()).await.unwrap();
    let registered = register(&store, &steps, &key, token("t"), wait(1), now()).await.unwrap();

    assert_eq!((parked, parked_again), (Completion::Parked, Completion::Parked));
    assert_eq!(registered, Registration::Completed(Delivery::Delivered));
    assert_eq!(steps.sent(), [(token("t"), success(1))]);
}

pub(crate) async fn a_failure_is_delivered_as_one(store: impl TokenStore) {
    let (key, steps) = (a_key(), RecordingTaskCallbacks::default());
    let failure = Outcome::failure("ValuationFailed", "no such house 🏚");

    complete(&store, &steps, &key, failure.clone(), now()).await.unwrap();
    register(&store, &steps, &key, token("t"), wait(1), now()).await.unwrap();

    assert_eq!(steps.sent(), [(token("t"), failure)]);
}

pub(crate) async fn the_same_outcome_again_is_a_duplicate_and_another_a_conflict(store: impl TokenStore) {
    let (key, steps) = (a_key(), RecordingTaskCallbacks::default());
    register(&store, &steps, &key, token("t"), wait(1), now()).await.unwrap();
    complete(&store, &steps, &key, success(1), now()).await.unwrap();

    let again = complete(&store, &steps, &key, success(1), now()).await.unwrap();
    let another = complete(&store, &steps, &key, success(2), now()).await.unwrap();

    assert_eq!((again, another), (Completion::Duplicate, Completion::Conflict));
    assert_eq!(steps.sent(), [(token("t"), success(1))]);
}

pub(crate) async fn the_same_wait_again_is_registered_once(store: impl TokenStore) {
    let (key, steps) = (a_key(), RecordingTaskCallbacks::default());
    register(&store, &steps, &key, token("t"), wait(1), now()).await.unwrap();
    let before = store.get(&key).await.unwrap();

    let again = register(&store, &steps, &key, token("t"), wait(1), now() + MINUTE).await.unwrap();
    let after = store.get(&key).await.unwrap();
    complete(&store, &steps, &key, success(1), now()).await.unwrap();
    let when_done = register(&store, &steps, &key, token("t"), wait(1), now()).await.unwrap();

    assert_eq!(again, Registration::Waiting);
    assert_eq!(after, before);
    assert_eq!(when_done, Registration::Completed(Delivery::Delivered));
    assert_eq!(steps.sent().len(), 1);
}

pub(crate) async fn an_outcome_after_the_timeout_is_late_and_goes_to_the_newer_wait(store: impl TokenStore) {
    let (key, steps) = (a_key(), RecordingTaskCallbacks::default());
    register(&store, &steps, &key, token("old"), wait(1), now()).await.unwrap();
    steps.close(&token("old"));

    let late = complete(&store, &steps, &key, success(1), now()).await.unwrap();
    let late_again = complete(&store, &steps, &key, success(1), now()).await.unwrap();
    let another = complete(&store, &steps, &key, success(2), now()).await.unwrap();
    let newer = register(&store, &steps, &key, token("new"), wait(2), now()).await.unwrap();

    assert_eq!((late, late_again, another), (Completion::Late, Completion::Late, Completion::Conflict));
    assert_eq!(newer, Registration::Completed(Delivery::Delivered));
    assert_eq!(steps.sent(), [(token("new"), success(1))]);
}

pub(crate) async fn a_parked_outcome_whose_wait_is_over_is_late(store: impl TokenStore) {
    let (key, steps) = (a_key(), RecordingTaskCallbacks::default());
    steps.close(&token("t"));

    complete(&store, &steps, &key, success(1), now()).await.unwrap();
    let registered = register(&store, &steps, &key, token("t"), wait(1), now()).await.unwrap();

    assert_eq!(registered, Registration::Completed(Delivery::Late));
}

pub(crate) async fn an_unconfirmed_failure_is_set_aside_by_the_retry_that_it_may_have_caused(
    store: impl TokenStore,
) {
    let (key, steps) = (a_key(), RecordingTaskCallbacks::default());
    register(&store, &steps, &key, token("old"), wait(1), now()).await.unwrap();
    steps.fail_next(CallbackError::TaskClosed { attempt: Attempt::Repeat });
    let first = complete(&store, &steps, &key, failure(), now()).await.unwrap();
    let again = complete(&store, &steps, &key, failure(), now()).await.unwrap();

    let newer = register(&store, &steps, &key, token("new"), wait(2), now()).await.unwrap();
    let aside = store.get(&key).await.unwrap().unwrap();
    let own = complete(&store, &steps, &key, success(2), now()).await.unwrap();
    let done = store.get(&key).await.unwrap().unwrap();

    assert_eq!((first, again), (Completion::Unconfirmed, Completion::Unconfirmed));
    assert_eq!(newer, Registration::Waiting);
    assert_eq!((aside.unconfirmed, aside.completed, aside.delivery), (Some(failure()), None, None));
    assert_eq!(own, Completion::Delivered { waited: Duration::ZERO });
    assert_eq!(done.unconfirmed, None);
    assert_eq!(steps.sent(), [(token("new"), success(2))]);
}

pub(crate) async fn an_unconfirmed_success_goes_to_a_retry_of_the_entry_and_not_to_another_entry(
    store: impl TokenStore,
) {
    for (newer, sent_to) in [(wait(2), Some("new")), (another_entry(), None)] {
        let (key, steps) = (a_key(), RecordingTaskCallbacks::default());
        register(&store, &steps, &key, token("old"), wait(1), now()).await.unwrap();
        steps.fail_next(CallbackError::TaskClosed { attempt: Attempt::Repeat });
        complete(&store, &steps, &key, success(1), now()).await.unwrap();

        let registered = register(&store, &steps, &key, token("new"), newer, now()).await.unwrap();

        let item = store.get(&key).await.unwrap().unwrap();
        match sent_to {
            Some(newer) => {
                assert_eq!(registered, Registration::Completed(Delivery::Delivered));
                assert_eq!(steps.sent(), [(token(newer), success(1))]);
                assert_eq!((item.attempts, item.unconfirmed), (1, None));
            }
            None => {
                assert_eq!(registered, Registration::Waiting);
                assert_eq!((steps.sent(), item.unconfirmed), (vec![], Some(success(1))));
            }
        }
    }
}

/// Findings: register stores both halves, `SendTaskSuccess` is throttled, the function fails and so closes its own task,
/// the retry must receive the outcome.
pub(crate) async fn a_registration_that_cannot_send_succeeds_and_leaves_the_delivery_open(
    store: impl TokenStore,
) {
    let (key, steps) = (a_key(), RecordingTaskCallbacks::default());
    complete(&store, &steps, &key, success(1), now()).await.unwrap();

    steps.fail_next(unavailable());
    let throttled = register(&store, &steps, &key, token("t"), wait(1), now()).await.unwrap();
    steps.fail_next(CallbackError::Rejected { source: "access denied".into() });
    let denied = register(&store, &steps, &key, token("t"), wait(1), now()).await.unwrap();
    let delivered = redeliver(&store, &steps, &key, now()).await.unwrap();

    assert_eq!((throttled, denied), (Registration::Undelivered, Registration::Undelivered));
    assert_eq!(delivered, Some(Delivery::Delivered));
    assert_eq!(steps.sent(), [(token("t"), success(1))]);
}

pub(crate) async fn an_undelivered_success_goes_to_the_retry_of_the_function_that_could_not_send_it(
    store: impl TokenStore,
) {
    let (key, steps) = (a_key(), RecordingTaskCallbacks::default());
    complete(&store, &steps, &key, success(1), now()).await.unwrap();
    steps.fail_next(unavailable());
    register(&store, &steps, &key, token("old"), wait(1), now()).await.unwrap();
    steps.close(&token("old"));

    let retried = register(&store, &steps, &key, token("new"), wait(2), now()).await.unwrap();

    assert_eq!(retried, Registration::Completed(Delivery::Delivered));
    assert_eq!(steps.sent(), [(token("new"), success(1))]);
}

pub(crate) async fn a_refused_outcome_frees_the_key_for_a_corrected_one(store: impl TokenStore) {
    let (key, steps) = (a_key(), RecordingTaskCallbacks::default());
    register(&store, &steps, &key, token("t"), wait(1), now()).await.unwrap();

    steps.fail_next(CallbackError::InvalidOutput);
    let refused = complete(&store, &steps, &key, success(1), now() + MINUTE).await.unwrap();
    let item = store.get(&key).await.unwrap().unwrap();
    let nothing_open = redeliver(&store, &steps, &key, now()).await.unwrap();
    let corrected = complete(&store, &steps, &key, success(2), now() + 2 * MINUTE).await.unwrap();
    let done = store.get(&key).await.unwrap().unwrap();

    assert_eq!((refused, nothing_open), (Completion::Refused, None));
    assert_eq!((item.refused, item.completed, item.delivery), (Some(success(1)), None, None));
    assert_eq!(item.pending_since, Some(now()), "it is listed as a wait again");
    assert_eq!(corrected, Completion::Delivered { waited: 2 * MINUTE });
    assert_eq!(done.refused, None);
    assert_eq!(steps.sent(), [(token("t"), success(2))]);
}

pub(crate) async fn a_parked_outcome_that_is_refused_leaves_the_task_waiting(store: impl TokenStore) {
    let (key, steps) = (a_key(), RecordingTaskCallbacks::default());
    complete(&store, &steps, &key, success(1), now()).await.unwrap();

    steps.fail_next(CallbackError::InvalidOutput);
    let registered = register(&store, &steps, &key, token("t"), wait(1), now()).await.unwrap();
    let corrected = complete(&store, &steps, &key, success(2), now()).await.unwrap();

    assert_eq!(registered, Registration::Waiting);
    assert_eq!(corrected, Completion::Delivered { waited: Duration::ZERO });
}

pub(crate) async fn an_older_waits_token_or_outcome_or_throttle_fails_no_newer_registration(
    store: impl TokenStore,
) {
    let errors: [fn() -> CallbackError; 3] =
        [|| CallbackError::InvalidToken, || CallbackError::InvalidOutput, unavailable];
    for error in errors {
        let (key, steps) = (a_key(), RecordingTaskCallbacks::default());
        register(&store, &steps, &key, token("old"), wait(1), now()).await.unwrap();
        steps.fail_next(unavailable());
        complete(&store, &steps, &key, success(1), now()).await.unwrap_err();

        steps.fail_next(error());
        let newer = register(&store, &steps, &key, token("new"), another_entry(), now()).await.unwrap();
        let own = complete(&store, &steps, &key, success(2), now()).await.unwrap();

        assert_eq!(newer, Registration::Waiting, "{:?}", error());
        assert_eq!(own, Completion::Delivered { waited: Duration::ZERO }, "{:?}", error());
        assert_eq!(steps.sent(), [(token("new"), success(2))]);
    }
}

pub(crate) async fn the_same_start_with_another_token_is_another_wait(store: impl TokenStore) {
    let (key, steps) = (a_key(), RecordingTaskCallbacks::default());
    register(&store, &steps, &key, token("one"), wait(1), now()).await.unwrap();
    let other = WaitingTask { execution: OTHER_EXECUTION.to_owned(), ..wait(1) };

    let branch = register(&store, &steps, &key, token("two"), wait(1), now()).await.unwrap();
    let execution = register(&store, &steps, &key, token("three"), other, now()).await.unwrap();
    complete(&store, &steps, &key, success(1), now()).await.unwrap();
    let done = register(&store, &steps, &key, token("two"), wait(1), now()).await.unwrap();

    assert_eq!((branch, execution), (Registration::Occupied, Registration::Occupied));
    assert_eq!(done, Registration::Occupied);
    assert_eq!(steps.sent(), [(token("one"), success(1))]);
}

pub(crate) async fn a_living_wait_of_another_execution_is_not_displaced_in_silence(store: impl TokenStore) {
    let (key, steps) = (a_key(), RecordingTaskCallbacks::default());
    register(&store, &steps, &key, token("old"), wait(1), now()).await.unwrap();

    let displacing = register(&store, &steps, &key, token("new"), another_execution(), now()).await.unwrap();
    let again = register(&store, &steps, &key, token("new"), another_execution(), now()).await.unwrap();
    let older = register(&store, &steps, &key, token("old"), wait(1), now()).await.unwrap();

    let displaced = Registration::Displaced { execution: EXECUTION.to_owned() };
    assert_eq!((displacing, again), (displaced.clone(), displaced));
    assert_eq!(older, Registration::Occupied);
}

pub(crate) async fn a_wait_whose_deadline_has_passed_is_displaced_without_a_report(store: impl TokenStore) {
    let (key, steps) = (a_key(), RecordingTaskCallbacks::default());
    register(&store, &steps, &key, token("old"), wait(1), now()).await.unwrap();
    let later = now() + TIMEOUT;

    let early = later - Duration::from_millis(1);
    let newer = WaitingTask { entered_time: "2026-03-01T12:59:59.999Z".to_owned(), ..another_execution() };
    let over = register(&store, &steps, &key, token("new"), another_execution(), later).await.unwrap();
    let too_early = a_key();
    register(&store, &steps, &too_early, token("old"), wait(1), now()).await.unwrap();
    let living = register(&store, &steps, &too_early, token("new"), newer, early).await.unwrap();

    assert_eq!(over, Registration::Waiting);
    assert_eq!(living, Registration::Displaced { execution: EXECUTION.to_owned() });
}

pub(crate) async fn an_undelivered_outcome_of_a_displaced_execution_is_sent_to_it_or_reported(
    store: impl TokenStore,
) {
    for sendable in [true, false] {
        let (key, steps) = (a_key(), RecordingTaskCallbacks::default());
        register(&store, &steps, &key, token("old"), wait(1), now()).await.unwrap();
        steps.fail_next(unavailable());
        complete(&store, &steps, &key, success(1), now()).await.unwrap_err();

        if !sendable {
            steps.fail_next(unavailable());
        }
        let newer = register(&store, &steps, &key, token("new"), another_execution(), now()).await.unwrap();

        let item = store.get(&key).await.unwrap().unwrap();
        if sendable {
            assert_eq!((newer, item.unconfirmed), (Registration::Waiting, None));
            assert_eq!(steps.sent(), [(token("old"), success(1))]);
        } else {
            assert_eq!(newer, Registration::Displaced { execution: EXECUTION.to_owned() });
            assert_eq!((steps.sent(), item.unconfirmed), (vec![], Some(success(1))));
        }
    }
}

pub(crate) async fn a_late_outcome_goes_to_another_execution_only_if_that_opts_in(store: impl TokenStore) {
    let opted_in = WaitingTask { late_outcomes: LateOutcomes::OfAnyExecution, ..another_execution() };
    for (task, takes) in [(another_execution(), false), (opted_in, true)] {
        let (key, steps) = (a_key(), RecordingTaskCallbacks::default());
        register(&store, &steps, &key, token("old"), wait(1), now()).await.unwrap();
        steps.close(&token("old"));
        complete(&store, &steps, &key, success(1), now()).await.unwrap();

        let newer = register(&store, &steps, &key, token("new"), task, now()).await.unwrap();

        let item = store.get(&key).await.unwrap().unwrap();
        if takes {
            assert_eq!(newer, Registration::Completed(Delivery::Delivered));
            assert_eq!(steps.sent(), [(token("new"), success(1))]);
        } else {
            assert_eq!(newer, Registration::Waiting);
            assert_eq!((steps.sent(), item.unconfirmed), (vec![], Some(success(1))));
        }
    }
}

pub(crate) async fn a_wait_that_does_not_say_when_it_began_is_refused_before_anything_is_written(
    store: impl TokenStore,
) {
    let (key, steps) = (a_key(), RecordingTaskCallbacks::default());
    let never = WaitingTask { entered_time: "yesterday".to_owned(), ..wait(1) };
    let far = WaitingTask { entered_time: "2026-03-02T12:00:00Z".to_owned(), ..wait(1) };
    let endless = WaitingTask { timeout_seconds: u64::MAX, ..wait(1) };

    for (task, invalid) in [
        (never, InvalidWait::EnteredTime),
        (far, InvalidWait::FutureEnteredTime),
        (endless, InvalidWait::TimeoutSeconds),
    ] {
        let refused = register(&store, &steps, &key, token("t"), task, now()).await.unwrap_err();
        assert!(matches!(refused, RendezvousError::Wait(wait) if wait == invalid), "{refused:?}");
    }
    assert_eq!(store.get(&key).await.unwrap(), None);
}

pub(crate) async fn a_pair_is_kept_until_the_waits_deadline_and_the_retention_have_passed(
    store: impl TokenStore,
) {
    let (key, steps) = (a_key(), RecordingTaskCallbacks::default());
    register(&store, &steps, &key, token("t"), wait(1), now()).await.unwrap();
    steps.fail_next(unavailable());
    complete(&store, &steps, &key, success(1), now()).await.unwrap_err();

    let item = store.get(&key).await.unwrap().unwrap();

    assert_eq!(item.expires_at, now() + TIMEOUT + RETENTION);
}

pub(crate) async fn a_delivery_left_open_is_finished_once(store: impl TokenStore) {
    let (key, steps) = (a_key(), RecordingTaskCallbacks::default());
    register(&store, &steps, &key, token("t"), wait(1), now()).await.unwrap();
    steps.fail_next(unavailable());
    let open = complete(&store, &steps, &key, success(1), now()).await.unwrap_err();

    let finished = redeliver(&store, &steps, &key, now()).await.unwrap();
    let before = store.get(&key).await.unwrap();
    let nothing_left = redeliver(&store, &steps, &key, now() + MINUTE).await.unwrap();

    assert!(matches!(open, RendezvousError::Callback(CallbackError::Unavailable { .. })));
    assert!(open.is_retryable());
    assert_eq!((finished, nothing_left), (Some(Delivery::Delivered), None));
    assert_eq!(store.get(&key).await.unwrap(), before);
    assert_eq!(steps.sent(), [(token("t"), success(1))]);
    assert_eq!(redeliver(&store, &steps, &a_key(), now()).await.unwrap(), None);
}

pub(crate) async fn a_half_has_nothing_to_deliver_and_stays_as_it_is(store: impl TokenStore) {
    let (waiting, parked, steps) = (a_key(), a_key(), RecordingTaskCallbacks::default());
    register(&store, &steps, &waiting, token("t"), wait(1), now()).await.unwrap();
    complete(&store, &steps, &parked, success(1), now()).await.unwrap();

    for key in [waiting, parked] {
        let before = store.get(&key).await.unwrap();
        assert_eq!(redeliver(&store, &steps, &key, now()).await.unwrap(), None);
        assert_eq!(store.get(&key).await.unwrap(), before);
    }
    assert_eq!(steps.sent(), []);
}

pub(crate) async fn a_repeat_that_finds_the_task_gone_is_unconfirmed(store: impl TokenStore) {
    let (key, steps) = (a_key(), RecordingTaskCallbacks::default());
    register(&store, &steps, &key, token("t"), wait(1), now()).await.unwrap();
    steps.fail_next(unavailable());
    complete(&store, &steps, &key, success(1), now()).await.unwrap_err();
    steps.close(&token("t"));

    let again = complete(&store, &steps, &key, success(1), now()).await.unwrap();
    let registered_again = register(&store, &steps, &key, token("t"), wait(1), now()).await.unwrap();

    assert_eq!(again, Completion::Unconfirmed);
    assert_eq!(registered_again, Registration::Completed(Delivery::Unconfirmed));
    assert_eq!(store.get(&key).await.unwrap().unwrap().attempts, 2);
}

pub(crate) async fn a_newer_entry_settles_the_older_one_first(store: impl TokenStore) {
    let (key, steps) = (a_key(), RecordingTaskCallbacks::default());
    register(&store, &steps, &key, token("old"), wait(1), now()).await.unwrap();
    steps.fail_next(unavailable());
    complete(&store, &steps, &key, success(1), now()).await.unwrap_err();

    let newer = register(&store, &steps, &key, token("new"), another_entry(), now()).await.unwrap();

    assert_eq!(newer, Registration::Waiting);
    assert_eq!(steps.sent(), [(token("old"), success(1))]);
    let item = store.get(&key).await.unwrap().unwrap();
    assert_eq!((item.completed, item.delivery), (None, None));
}

pub(crate) async fn an_older_wait_that_comes_after_a_newer_one_is_superseded(store: impl TokenStore) {
    let (key, steps) = (a_key(), RecordingTaskCallbacks::default());
    register(&store, &steps, &key, token("new"), wait(2), now()).await.unwrap();

    let older = register(&store, &steps, &key, token("old"), wait(1), now()).await.unwrap();
    complete(&store, &steps, &key, success(1), now()).await.unwrap();

    assert_eq!(older, Registration::Superseded);
    assert_eq!(steps.sent(), [(token("new"), success(1))]);
}

pub(crate) async fn a_newer_wait_without_outcome_replaces_an_older_one(store: impl TokenStore) {
    let (key, steps) = (a_key(), RecordingTaskCallbacks::default());
    register(&store, &steps, &key, token("old"), wait(1), now()).await.unwrap();

    let newer = register(&store, &steps, &key, token("new"), wait(2), now() + MINUTE).await.unwrap();
    let done = complete(&store, &steps, &key, success(1), now() + 3 * MINUTE).await.unwrap();

    assert_eq!(newer, Registration::Waiting);
    assert_eq!(done, Completion::Delivered { waited: 2 * MINUTE });
    assert_eq!(steps.sent(), [(token("new"), success(1))]);
}

pub(crate) async fn a_finished_key_can_be_waited_on_again(store: impl TokenStore) {
    let (key, steps) = (a_key(), RecordingTaskCallbacks::default());
    register(&store, &steps, &key, token("old"), wait(1), now()).await.unwrap();
    complete(&store, &steps, &key, success(1), now()).await.unwrap();

    let newer = register(&store, &steps, &key, token("new"), wait(2), now()).await.unwrap();
    let done = complete(&store, &steps, &key, success(2), now()).await.unwrap();

    assert_eq!(newer, Registration::Waiting);
    assert_eq!(done, Completion::Delivered { waited: Duration::ZERO });
    assert_eq!(steps.sent(), [(token("old"), success(1)), (token("new"), success(2))]);
}

pub(crate) async fn an_expired_wait_does_not_meet_a_new_outcome(store: impl TokenStore) {
    let (key, steps) = (a_key(), RecordingTaskCallbacks::default());
    register(&store, &steps, &key, token("t"), wait(1), now()).await.unwrap();
    let gone = now() + TIMEOUT + RETENTION;

    let completed = complete(&store, &steps, &key, success(1), gone).await.unwrap();

    assert_eq!(completed, Completion::Parked);
    assert_eq!(steps.sent(), []);
    assert_eq!(store.get(&key).await.unwrap().unwrap().registered, None);
}

pub(crate) async fn an_expired_outcome_does_not_meet_a_new_wait(store: impl TokenStore) {
    let (key, steps) = (a_key(), RecordingTaskCallbacks::default());
    complete(&store, &steps, &key, success(1), now()).await.unwrap();

    let registered = register(&store, &steps, &key, token("t"), wait(1), now() + RETENTION).await.unwrap();

    assert_eq!(registered, Registration::Waiting);
    assert_eq!(steps.sent(), []);
    assert_eq!(store.get(&key).await.unwrap().unwrap().completed, None);
}

pub(crate) async fn a_token_that_was_never_valid_is_reported_once_and_its_outcome_kept(
    store: impl TokenStore,
) {
    let (key, steps) = (a_key(), RecordingTaskCallbacks::default());
    register(&store, &steps, &key, token("garbage"), wait(1), now()).await.unwrap();
    steps.fail_next(CallbackError::InvalidToken);

    let reported = complete(&store, &steps, &key, success(1), now()).await.unwrap_err();
    let again = complete(&store, &steps, &key, success(1), now()).await.unwrap();
    let newer = register(&store, &steps, &key, token("t"), wait(2), now()).await.unwrap();

    assert!(matches!(reported, RendezvousError::Callback(CallbackError::InvalidToken)));
    assert!(!reported.is_retryable());
    assert_eq!(again, Completion::Late);
    assert_eq!(newer, Registration::Completed(Delivery::Delivered));
    assert_eq!(steps.sent(), [(token("t"), success(1))]);
}

pub(crate) async fn what_is_stored_is_read_back_whole(store: impl TokenStore) {
    let (key, steps) = (a_key(), RecordingTaskCallbacks::default());
    let nothing = store.get(&key).await.unwrap();
    let unaligned = Duration::from_nanos(1_234_567_890);

    register(&store, &steps, &key, token("t"), wait(1), now() + unaligned).await.unwrap();
    steps.fail_next(unavailable());
    complete(&store, &steps, &key, success(1), now() + MINUTE).await.unwrap_err();

    let item = Item {
        registered: Some(Registered {
            token: token("t"),
            wait: Wait {
                started: WaitStarted::new("2026-03-01T12:00:00Z", 0, 1).unwrap(),
                deadline: now() + Duration::from_millis(1_234) + TIMEOUT,
                execution: EXECUTION.to_owned(),
            },
            at: now() + Duration::from_millis(1_234),
            displaced: None,
        }),
        completed: Some(Completed { outcome: success(1), at: now() + MINUTE }),
        delivery: None,
        attempts: 1,
        unconfirmed: None,
        refused: None,
        pending_since: Some(now() + MINUTE),
        expires_at: now() + Duration::from_secs(1) + TIMEOUT + RETENTION,
    };
    assert_eq!((nothing, store.get(&key).await.unwrap()), (None, Some(item)));
}

pub(crate) async fn what_waits_is_listed_by_kind_and_age(store: impl TokenStore) {
    let steps = RecordingTaskCallbacks::default();
    let [parked, waiting, open, done, young, expired] = keys_of_one_kind();
    let execution = Some(EXECUTION.to_owned());
    complete(&store, &steps, &expired, success(1), now() - RETENTION).await.unwrap();
    complete(&store, &steps, &parked, success(1), now()).await.unwrap();
    register(&store, &steps, &waiting, token("w"), wait(1), now() + MINUTE).await.unwrap();
    register(&store, &steps, &open, token("o"), wait(1), now()).await.unwrap();
    steps.fail_next(unavailable());
    complete(&store, &steps, &open, success(1), now() + 2 * MINUTE).await.unwrap_err();
    register(&store, &steps, &done, token("d"), wait(1), now()).await.unwrap();
    complete(&store, &steps, &done, success(1), now()).await.unwrap();
    register(&store, &steps, &young, token("y"), wait(1), now() + 4 * MINUTE).await.unwrap();

    let query = PendingQuery {
        kind: parked.kind().to_owned(),
        older_than: 3 * MINUTE,
        now: now() + 5 * MINUTE,
        after: None,
    };
    let page = store.pending(&query).await.unwrap();

    let deadline = |registered| Some(registered + TIMEOUT);
    let entry = |key: &CallbackKey, state, since, deadline, execution| Pending {
        key: key.clone(),
        state,
        since,
        deadline,
        execution,
    };
    assert_eq!(
        page.entries,
        [
            entry(&parked, PendingState::Parked, now(), None, None),
            entry(
                &waiting,
                PendingState::Waiting,
                now() + MINUTE,
                deadline(now() + MINUTE),
                execution.clone()
            ),
            entry(&open, PendingState::Undelivered, now() + 2 * MINUTE, deadline(now()), execution),
        ]
    );
    let of_another_kind = PendingQuery { kind: a_key().kind().to_owned(), ..query };
    assert_eq!(store.pending(&of_another_kind).await.unwrap().entries, []);
}

pub(crate) async fn the_list_has_pages(store: impl TokenStore) {
    let steps = RecordingTaskCallbacks::default();
    let keys: [CallbackKey; 103] = keys_of_one_kind();
    for (key, age) in keys.iter().zip(0..) {
        complete(&store, &steps, key, success(1), now() + age * Duration::from_secs(1)).await.unwrap();
    }

    let kind = keys[0].kind().to_owned();
    let mut query = PendingQuery { kind, older_than: Duration::ZERO, now: now() + 10 * MINUTE, after: None };
    let mut pages = vec![];
    loop {
        let page = store.pending(&query).await.unwrap();
        pages.push(page.entries.into_iter().map(|entry| entry.key).collect::<Vec<_>>());
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }

    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [100, 3]);
    assert_eq!(pages.concat(), keys);
}

pub(crate) async fn a_heartbeat_says_whether_anybody_waits(store: impl TokenStore) {
    let (key, steps) = (a_key(), RecordingTaskCallbacks::default());
    let beat = async |at| heartbeat(&store, &steps, &key, at).await;

    let before = beat(now()).await.unwrap();
    register(&store, &steps, &key, token("t"), wait(1), now()).await.unwrap();
    let waiting = beat(now()).await.unwrap();
    let expired = beat(now() + TIMEOUT + RETENTION).await.unwrap();
    steps.fail_next(unavailable());
    let unknown = beat(now()).await.unwrap_err();
    complete(&store, &steps, &key, success(1), now()).await.unwrap();
    let done = beat(now()).await.unwrap();
    register(&store, &steps, &key, token("closed"), wait(2), now()).await.unwrap();
    steps.close(&token("closed"));
    let closed = beat(now()).await.unwrap();

    assert_eq!((before, waiting), (Heartbeat::NotRegistered, Heartbeat::Alive));
    assert_eq!(expired, Heartbeat::NotRegistered);
    assert!(unknown.is_retryable());
    assert_eq!((done, closed), (Heartbeat::Gone, Heartbeat::Gone));
    assert_eq!(steps.heartbeats(), [token("t")]);
}

pub(crate) async fn of_many_outcomes_at_once_one_is_taken(store: impl TokenStore + 'static) {
    let (key, steps) = (a_key(), RecordingTaskCallbacks::default());
    register(&store, &steps, &key, token("t"), wait(1), now()).await.unwrap();
    let all = std::sync::Arc::new((store, steps));

    let mut calls = tokio::task::JoinSet::new();
    for number in 0..20 {
        let (all, key) = (all.clone(), key.clone());
        calls.spawn(async move { complete(&all.0, &all.1, &key, success(number), now()).await.unwrap() });
    }
    let answers = calls.join_all().await;

    let delivered = Completion::Delivered { waited: Duration::ZERO };
    assert_eq!(answers.iter().filter(|answer| **answer == delivered).count(), 1);
    assert_eq!(answers.iter().filter(|answer| **answer == Completion::Conflict).count(), 19);
    assert_eq!(all.1.sent().len(), 1);
}

/// Noon of 1 March 2026.
fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_772_366_400)
}

const MINUTE: Duration = Duration::from_secs(60);

fn token(token: &str) -> TaskToken {
    TaskToken::new(token).unwrap()
}

/// A retry of one state entry: it began after all with lower numbers.
fn wait(number: u32) -> WaitingTask {
    WaitingTask {
        execution: EXECUTION.to_owned(),
        entered_time: "2026-03-01T12:00:00.000Z".to_owned(),
        retry_count: number,
        ..waiting_task(token("replaced"))
    }
}

/// A later entry of the same state by the same execution.
fn another_entry() -> WaitingTask {
    WaitingTask { entered_time: "2026-03-01T12:00:01Z".to_owned(), ..wait(0) }
}

/// A wait of another execution that began later.
fn another_execution() -> WaitingTask {
    WaitingTask { execution: OTHER_EXECUTION.to_owned(), ..another_entry() }
}

const EXECUTION: &str = "arn:aws:states:eu-west-1:123456789012:execution:loan:17";
const OTHER_EXECUTION: &str = "arn:aws:states:eu-west-1:123456789012:execution:loan:18";
const TIMEOUT: Duration = Duration::from_secs(3_600);

async fn register(
    store: &impl TokenStore,
    steps: &RecordingTaskCallbacks,
    key: &CallbackKey,
    token: TaskToken,
    task: WaitingTask,
    now: SystemTime,
) -> Result<Registration, RendezvousError> {
    let task = WaitingTask { task_token: token, ..task };
    Rendezvous::new(store, steps).with_clock(move || now).register(key, task).await
}

async fn complete(
    store: &impl TokenStore,
    steps: &RecordingTaskCallbacks,
    key: &CallbackKey,
    outcome: Outcome,
    now: SystemTime,
) -> Result<Completion, RendezvousError> {
    Rendezvous::new(store, steps).with_clock(move || now).complete(key, outcome).await
}

async fn redeliver(
    store: &impl TokenStore,
    steps: &RecordingTaskCallbacks,
    key: &CallbackKey,
    now: SystemTime,
) -> Result<Option<Delivery>, RendezvousError> {
    Rendezvous::new(store, steps).with_clock(move || now).redeliver(key).await
}

async fn heartbeat(
    store: &impl TokenStore,
    steps: &RecordingTaskCallbacks,
    key: &CallbackKey,
    now: SystemTime,
) -> Result<Heartbeat, RendezvousError> {
    Rendezvous::new(store, steps).with_clock(move || now).heartbeat(key).await
}

fn success(number: i32) -> Outcome {
    Outcome::success(format!(r#"{{"number":{number}}}"#)).unwrap()
}

fn failure() -> Outcome {
    Outcome::failure("Failed", "the older attempt")
}

fn unavailable() -> CallbackError {
    CallbackError::Unavailable { source: "no answer".into() }
}

fn a_key() -> CallbackKey {
    let [key] = keys_of_one_kind();
    key
}

/// Keys that no other test uses, nor an earlier run on the same table.
fn keys_of_one_kind<const N: usize>() -> [CallbackKey; N] {
    static KINDS: AtomicU32 = AtomicU32::new(0);
    let run = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let kind = format!("contract-{run}-{}", KINDS.fetch_add(1, Ordering::Relaxed));
    std::array::from_fn(|id| CallbackKey::new(&kind, &format!("{id:03}")).unwrap())
}
