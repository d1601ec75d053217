//! The protocol without its input and output: every decision, as steps between a store and Step Functions.
//!
//! A [`Call`] begins with an intent. Its [`Todo`] says what to do next; whoever drives it does that and hands it the
//! result, until there is an answer. [`Rendezvous`](crate::Rendezvous) drives one call against the ports. The model in
//! `tests/model` drives many at once, in every order.
//!
//! 1. Write the own half with one conditional update. The store returns the whole item, also when it refuses.
//! 2. Both halves there: send the outcome to the task. Who completed the pair makes the first attempt; who finds it
//!    complete writes [`Write::Repeat`] before it sends, so that nobody takes the task that
//!    one attempt closed for a task that was gone before.
//! 3. Record how it ended.
//!
//! [`gather()`] has steps of its own, before these: they find out who completes a key that many parts complete.
//!
//! # What it assumes
//!
//! Of Step Functions, within one execution:
//!
//! - an entry of a state succeeds at most once;
//! - attempt n + 1 of an entry (a retry or a redrive) exists only after attempt n has ended without success;
//! - a task that has closed stays closed;
//! - an output that was refused as `InvalidOutput` is refused again.
//!
//! Of its callers: at most one task of a key waits at a time. Two that wait under one key, for example two branches of a
//! `Map`, are told so ([`Registration::Occupied`], [`Registration::Displaced`]), but only one of them gets the outcome.

mod complete;
mod gather;
mod redeliver;
mod register;
mod writes;

use std::{
    fmt,
    hash::Hash,
    time::{Duration, SystemTime},
};

pub use complete::{Complete, Completion};
pub use gather::{Combining, GatherStep, Gathered, Tallying, gather};
pub use redeliver::Redeliver;
pub use register::{Register, Registration};

use crate::{
    Delivery,
    callbacks::Attempt,
    item::{Item, Pair, whole_millis},
    store::Written,
    update::{Update, Write},
};

/// How often a call writes before it gives up. It needs three writes; more only while other calls change the item.
pub const MOST_WRITES: usize = 12;

/// When a call is made, and how long what it writes is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct When {
    pub(crate) now: SystemTime,
    pub(crate) retention: Duration,
}

/// What a call wants, and what it makes of the item it finds. There are three: [`Register`], [`Complete`] and
/// [`Redeliver`].
pub trait Intent: Sealed + Clone {
    /// What the call answers in the end.
    type Answer: fmt::Debug + Clone + Eq + Hash;

    /// When the call was made.
    fn when(&self) -> When;

    /// The write to begin with, which is the only one of its kind unless it is refused.
    fn opening(&self) -> Update;

    /// What to do about an item on which the last write was refused.
    fn refused(&self, item: Option<&Item>) -> Next<Self::Answer>;

    /// As [`Intent::refused`], but after the call has seen its own half stored, or tried to deliver it.
    fn overtaken(&self, item: Option<&Item>) -> Next<Self::Answer>;

    /// The answer when the own half is written and the other one is missing in `item`.
    fn alone(&self, item: &Item) -> Self::Answer;

    /// What to do when the delivery of `pair` is over. `item` is what was stored with it, if it was this call that
    /// could record it.
    fn settled(&self, pair: &Pair, delivery: Delivery, item: Option<&Item>) -> Next<Self::Answer>;

    /// What to do when the task of `pair` is gone and a newer wait has the key, as in `item`.
    fn outlived(&self, pair: &Pair, item: Option<&Item>) -> Next<Self::Answer>;

    /// Whether the caller must hear of a token in `pair` that Step Functions never made.
    fn is_own(&self, pair: &Pair) -> bool;

    /// What to do when `pair` could not be sent now; nothing when the call ends with the error.
    fn unsent(&self, pair: &Pair) -> Option<Next<Self::Answer>>;
}

use sealed::Sealed;
mod sealed {
    /// Intents are this crate's: the model checks what they do.
    pub trait Sealed {}
}

/// What an [`Intent`] decides.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Next<A> {
    /// Write this.
    Update(Update),
    /// Deliver the two halves that are there, as one attempt among others.
    Repeat,
    /// Answer this.
    Done(A),
}

/// One call, from its first write to its end.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Call<I: Intent> {
    step: Step<I>,
    writes: usize,
    most_writes: usize,
    invalid_token: bool,
}

/// What a [`Call`] needs next.
#[derive(Debug, PartialEq, Eq)]
pub enum Todo<'a, A> {
    /// Make this conditional update, then [`Call::written`].
    Write(&'a Update),
    /// Send this outcome to this task, then [`Call::sent`].
    Send(&'a Pair),
    /// Nothing more: the answer.
    Answer(&'a A),
    /// Nothing more: the call has no answer. What was written stays, and the same call again goes on from there.
    Stopped(Stopped),
}

/// Why a call ends without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stopped {
    /// The outcome is stored with its wait and could not be sent.
    Unsent,
    /// Step Functions never made the token. That is recorded.
    InvalidToken,
    /// Other calls changed the item before each of [`MOST_WRITES`] writes.
    Contended,
}

/// What Step Functions said of an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sent {
    /// The task took it.
    Taken,
    /// The task is gone, as seen at this attempt of the adapter.
    Closed(Attempt),
    /// No task ever had this token.
    InvalidToken,
    /// The output will never be taken.
    InvalidOutput,
    /// It is unknown whether the task took it, or the request was not allowed.
    Failed,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Step<I: Intent> {
    /// Make a conditional update; with a pair, to record how its delivery ended.
    Write {
        intent: I,
        update: Update,
        delivering: Option<Pair>,
    },
    Send {
        intent: I,
        pair: Pair,
        attempt: Attempt,
    },
    Done(I::Answer),
    Stopped(Stopped),
}

impl When {
    /// A call at `now`, in whole milliseconds, to a store that keeps what is not needed any more for `retention`.
    #[must_use]
    pub fn new(now: SystemTime, retention: Duration) -> Self {
        Self { now: whole_millis(now), retention }
    }
}

impl<I: Intent> Call<I> {
    /// Begins a call.
    pub fn new(intent: I) -> Self {
        Self::limited(intent, MOST_WRITES)
    }

    /// As [`Call::new`], with another limit than [`MOST_WRITES`]: a model checker explores what happens at a small one.
    pub fn limited(intent: I, most_writes: usize) -> Self {
        let opening = intent.opening();
        Self { step: Step::write(intent, opening), writes: 0, most_writes, invalid_token: false }
    }

    /// What to do next.
    pub fn todo(&self) -> Todo<'_, I::Answer> {
        match &self.step {
            Step::Write { .. } if self.writes == self.most_writes => Todo::Stopped(Stopped::Contended),
            Step::Write { update, .. } => Todo::Write(update),
            Step::Send { pair, .. } => Todo::Send(pair),
            Step::Done(_) if self.invalid_token => Todo::Stopped(Stopped::InvalidToken),
            Step::Done(answer) => Todo::Answer(answer),
            Step::Stopped(stopped) => Todo::Stopped(*stopped),
        }
    }

    /// Goes on with what the store said of the update.
    #[must_use]
    pub fn written(self, written: Written) -> Self {
        let Step::Write { intent, update, delivering } = self.step else { return self };
        let write = update.write;
        let step = match (written, delivering) {
            (Written::Stored(item), Some(pair)) => match item.delivery() {
                _ if write == Write::RecordRefused => {
                    Step::next(intent.settled(&pair, Delivery::Refused, Some(&item)), intent)
                }
                Some(delivery) => Step::next(intent.settled(&pair, delivery, Some(&item)), intent),
                None => Step::next(intent.overtaken(Some(&item)), intent),
            },
            (Written::Stored(item), None) => match item.pair() {
                Some(pair) => Step::Send { attempt: attempt_of(write), pair, intent },
                None => Step::Done(intent.alone(&item)),
            },
            (Written::Refused(item), Some(pair)) => not_recorded(intent, pair, write, item.as_ref()),
            (Written::Refused(item), None) if write == Write::Repeat => {
                Step::next(intent.overtaken(item.as_ref()), intent)
            }
            (Written::Refused(item), None) => Step::next(intent.refused(item.as_ref()), intent),
        };
        Self { step, writes: self.writes + 1, ..self }
    }

    /// Goes on with what Step Functions said of the outcome.
    #[must_use]
    pub fn sent(self, sent: Sent) -> Self {
        let Step::Send { intent, pair, attempt } = self.step else { return self };
        // Nobody can wait with a token that was never made. It is recorded, so that nothing tries it again, and reported.
        let invalid_token = self.invalid_token || sent == Sent::InvalidToken && intent.is_own(&pair);
        let delivery = match (sent, attempt) {
            (Sent::Taken, _) => Delivery::Delivered,
            (Sent::Closed(Attempt::First) | Sent::InvalidToken, Attempt::First) => Delivery::Late,
            (Sent::Closed(_) | Sent::InvalidToken, _) => Delivery::Unconfirmed,
            (Sent::InvalidOutput, _) => Delivery::Refused,
            (Sent::Failed, _) => {
                let step = match intent.unsent(&pair) {
                    Some(next) => Step::next(next, intent),
                    None => Step::Stopped(Stopped::Unsent),
                };
                return Self { step, ..self };
            }
        };
        Self { step: Step::record(intent, pair, delivery), invalid_token, ..self }
    }
}

impl<I: Intent> Step<I> {
    fn write(intent: I, update: Update) -> Self {
        Self::Write { intent, update, delivering: None }
    }

    fn record(intent: I, pair: Pair, delivery: Delivery) -> Self {
        let update = writes::record(&pair, delivery, intent.when());
        Self::Write { intent, update, delivering: Some(pair) }
    }

    fn next(next: Next<I::Answer>, intent: I) -> Self {
        match next {
            Next::Update(update) => Self::write(intent, update),
            Next::Repeat => Self::write(intent, writes::repeat()),
            Next::Done(answer) => Self::Done(answer),
        }
    }
}

/// Who completes the pair sees both halves first; a repeat says of itself that it is one.
fn attempt_of(write: Write) -> Attempt {
    if write == Write::Repeat { Attempt::Repeat } else { Attempt::First }
}

/// The record was refused: another call has repeated or recorded the delivery, a newer wait has taken the key, or the
/// outcome was refused and corrected.
fn not_recorded<I: Intent>(intent: I, pair: Pair, write: Write, item: Option<&Item>) -> Step<I> {
    let found = item.and_then(Item::pair);
    let same_pair = found.as_ref().is_some_and(|found| {
        found.registered.token == pair.registered.token && found.completed.outcome == pair.completed.outcome
    });
    let registered = item.and_then(|item| item.registered.as_ref());
    let same_wait = registered.is_some_and(|registered| registered.token == pair.registered.token);
    let recorded = item.and_then(Item::delivery);
    match write {
        // What was seen is true, whatever has become of the key since.
        Write::RecordDelivered => Step::next(intent.settled(&pair, Delivery::Delivered, None), intent),
        Write::RecordRefused => Step::next(intent.settled(&pair, Delivery::Refused, item), intent),
        _ if same_pair && recorded.is_none() => Step::record(intent, pair, Delivery::Unconfirmed),
        _ if same_wait => Step::next(intent.overtaken(item), intent),
        _ => Step::next(intent.outlived(&pair, item), intent),
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::{
        Outcome, TaskToken,
        item::{Completed, RETENTION, Recorded, Registered},
        wait::{LateOutcomes, Wait, WaitStarted},
    };

    fn when() -> When {
        When::new(UNIX_EPOCH + Duration::from_secs(1_800_000_000), RETENTION)
    }

    fn token(retry: u32) -> TaskToken {
        TaskToken::new(format!("token {retry}")).unwrap()
    }

    fn wait(retry: u32) -> Wait {
        let started = WaitStarted::new("2026-03-01T09:30:00.000Z", 0, retry).unwrap();
        Wait { started, deadline: when().now + Duration::from_secs(60), execution: "arn".into() }
    }

    fn registered(retry: u32) -> Registered {
        Registered { token: token(retry), wait: wait(retry), at: when().now, displaced: None }
    }

    fn outcome() -> Outcome {
        Outcome::success("1").unwrap()
    }

    fn completed(outcome: Outcome) -> Completed {
        Completed { outcome, at: when().now }
    }

    /// A wait with its outcome, undelivered.
    fn whole() -> Item {
        Item {
            registered: Some(registered(0)),
            completed: Some(completed(outcome())),
            delivery: None,
            attempts: 1,
            unconfirmed: None,
            refused: None,
            pending_since: Some(when().now),
            expires_at: when().now + Duration::from_secs(3_600),
        }
    }

    fn delivered() -> Item {
        Item { delivery: Some(Recorded { delivery: Delivery::Delivered, at: when().now }), ..whole() }
    }

    /// What is left when a newer wait has taken the key.
    fn newer() -> Item {
        Item { registered: Some(registered(1)), completed: None, ..whole() }
    }

    /// The call after the own half was written, both are there, and the task was told.
    fn told<I: Intent>(intent: I, sent: Sent) -> Call<I> {
        Call::new(intent).written(Written::Stored(whole())).sent(sent)
    }

    fn update<I: Intent>(call: &Call<I>) -> Write {
        let Todo::Write(update) = call.todo() else { panic!("no write") };
        update.write
    }

    fn answer<I: Intent>(call: &Call<I>) -> I::Answer {
        let Todo::Answer(answer) = call.todo() else { panic!("not done") };
        answer.clone()
    }

    fn completion() -> Complete {
        Complete::new(outcome(), when())
    }

    fn registration() -> Register {
        Register::new(token(0), wait(0), LateOutcomes::OfThisExecution, when())
    }

    #[test]
    fn an_outcome_that_another_call_settled_meanwhile_is_not_recorded_for_a_newer_wait() {
        let repeat = Call::new(completion()).written(Written::Refused(Some(whole())));
        let write = update(&repeat);
        let overtaken = repeat.written(Written::Refused(Some(newer())));

        assert_eq!(write, Write::Repeat);
        assert_eq!(answer(&overtaken), Completion::Unconfirmed);
    }

    #[test]
    fn an_outcome_that_was_settled_and_followed_by_another_is_no_conflict() {
        let followed = Item { completed: Some(completed(Outcome::success("2").unwrap())), ..newer() };

        let repeat = Call::new(completion()).written(Written::Refused(Some(whole())));
        let overtaken = repeat.written(Written::Refused(Some(followed)));

        assert_eq!(answer(&overtaken), Completion::Unconfirmed);
    }

    #[test]
    fn a_delivery_that_was_seen_is_true_whatever_has_become_of_the_key() {
        for item in [None, Some(newer())] {
            let recorded = told(completion(), Sent::Taken).written(Written::Refused(item));

            assert_eq!(answer(&recorded), Completion::Delivered { waited: Duration::ZERO });
        }
    }

    #[test]
    fn a_closed_task_that_others_have_tried_meanwhile_is_unconfirmed() {
        let tried = Item { attempts: 2, ..whole() };

        let recorded =
            told(completion(), Sent::Closed(Attempt::First)).written(Written::Refused(Some(tried)));

        assert_eq!(update(&recorded), Write::RecordUnconfirmed);
    }

    #[test]
    fn a_closed_task_that_another_has_delivered_to_is_as_that_one_says() {
        let closed = Sent::Closed(Attempt::First);

        let completed = told(completion(), closed).written(Written::Refused(Some(delivered())));
        let registered = told(registration(), closed).written(Written::Refused(Some(delivered())));

        assert_eq!(answer(&completed), Completion::Duplicate);
        assert_eq!(answer(&registered), Registration::Completed(Delivery::Delivered));
    }

    #[test]
    fn a_closed_task_whose_key_a_newer_wait_has_taken_is_unconfirmed() {
        let closed = Sent::Closed(Attempt::First);

        let completed = told(completion(), closed).written(Written::Refused(Some(newer())));
        let registered = told(registration(), closed).written(Written::Refused(Some(newer())));
        let redelivered = told(Redeliver::new(when()), closed).written(Written::Refused(Some(newer())));

        assert_eq!(answer(&completed), Completion::Unconfirmed);
        assert_eq!(answer(&registered), Registration::Completed(Delivery::Unconfirmed));
        assert_eq!(answer(&redelivered), Some(Delivery::Unconfirmed));
    }

    #[test]
    fn an_outcome_that_was_refused_and_corrected_meanwhile_was_refused() {
        let corrected = Item {
            completed: Some(completed(Outcome::success("2").unwrap())),
            refused: Some(outcome()),
            ..whole()
        };

        let repeat = Call::new(completion()).written(Written::Refused(Some(whole())));
        let overtaken = repeat.written(Written::Refused(Some(corrected.clone())));
        let recorded = told(completion(), Sent::InvalidOutput).written(Written::Refused(Some(corrected)));

        assert_eq!((answer(&overtaken), answer(&recorded)), (Completion::Refused, Completion::Refused));
    }

    #[test]
    fn a_closed_task_whose_outcome_was_corrected_meanwhile_is_not_recorded_for_the_corrected_one() {
        let corrected = Item {
            completed: Some(completed(Outcome::success("2").unwrap())),
            refused: Some(outcome()),
            ..whole()
        };
        let others_were_refused = Item { refused: Some(Outcome::success("3").unwrap()), ..corrected.clone() };
        let closed = |item| {
            let told = told(completion(), Sent::Closed(Attempt::First));
            answer(&told.written(Written::Refused(Some(item))))
        };

        assert_eq!(closed(corrected), Completion::Refused);
        assert_eq!(closed(others_were_refused), Completion::Unconfirmed);
    }

    #[test]
    fn a_repeat_reports_a_token_that_was_never_valid() {
        let sent = told(Redeliver::new(when()), Sent::InvalidToken);

        let recorded = sent.written(Written::Stored(delivered()));

        assert_eq!(recorded.todo(), Todo::Stopped(Stopped::InvalidToken));
    }

    #[test]
    fn only_a_living_wait_of_another_execution_is_displaced() {
        let newer = || Register::new(token(1), wait(1), LateOutcomes::OfThisExecution, when());
        let meets = |execution: &str, deadline| {
            let wait = Wait { execution: execution.into(), deadline, ..wait(0) };
            let item =
                Item { registered: Some(Registered { wait, ..registered(0) }), completed: None, ..whole() };
            update(&Call::new(newer()).written(Written::Refused(Some(item))))
        };
        let (now, later) = (when().now, when().now + Duration::from_millis(1));

        assert_eq!(meets("another", later), Write::RegisterOver);
        assert_eq!([meets("another", now), meets("arn", later)], [Write::Register; 2]);
    }

    #[test]
    fn a_call_stops_after_twelve_writes() {
        let mut call = Call::new(completion());
        for _ in 0..MOST_WRITES {
            assert!(matches!(call.todo(), Todo::Write(_)));
            call = call.written(Written::Refused(None));
        }

        assert_eq!(call.todo(), Todo::Stopped(Stopped::Contended));
    }
}
