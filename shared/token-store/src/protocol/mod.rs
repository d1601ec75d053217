//! The protocol without its input and output: every decision, as steps between a store and Step Functions.
//!
//! A call [begins](begin) with an intent. Each [`Step`] says what to do next; whoever drives it does that and
//! resumes the step with the answer, until it is done. `register`, `complete` and `redeliver` drive it against the
//! ports, one step after the other. The model in `tests/model.rs` drives many at once, in every order.
//!
//! 1. Write the own half with one conditional update. The store returns the whole item, also when it refuses.
//! 2. Both halves there: send the outcome to the task. Who completed the pair makes the first attempt; who finds it
//!    complete writes [`Write::Repeat`] before it sends, so that nobody takes the task that
//!    one attempt closed for a task that was gone before.
//! 3. Record how it ended.
//!
//! [`gather()`] has steps of its own, before these: they find out who completes a key that many parts complete.

mod complete;
mod gather;
mod redeliver;
mod register;
mod writes;

use std::time::SystemTime;

pub use complete::{Complete, Completion};
pub use gather::{Combining, GatherStep, Gathered, Tallying, gather};
pub use redeliver::Redeliver;
pub use register::{Register, Registration};

use crate::{Attempt, Delivery, Item, Pair, Update, Write, Written};

/// What a call wants, and what it makes of the item it finds.
pub trait Intent: Clone {
    /// What the call answers in the end.
    type Answer;

    /// When the call was made.
    fn now(&self) -> SystemTime;

    /// The write to begin with, which is the only one of its kind unless it is refused.
    fn opening(&self) -> Update;

    /// What to do about an item on which the last write was refused.
    fn refused(&self, item: Option<&Item>) -> Next<Self::Answer>;

    /// As [`Intent::refused`], but after the call has seen its own half stored, or tried to deliver it.
    fn overtaken(&self, item: Option<&Item>) -> Next<Self::Answer>;

    /// The answer when the own half is written and the other one is missing.
    fn alone(&self) -> Self::Answer;

    /// What to do when the delivery of `pair` is over. `item` is what was stored with it, if it was this call that
    /// could record it.
    fn settled(&self, pair: &Pair, delivery: Delivery, item: Option<&Item>) -> Next<Self::Answer>;
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

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step<I: Intent> {
    /// Make a conditional update.
    Write(Writing<I>),
    /// Send an outcome to a task.
    Send(Sending<I>),
    /// Nothing more: the answer.
    Done(I::Answer),
}

/// A call that waits for the store.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Writing<I> {
    intent: I,
    update: Update,
    delivering: Option<Pair>,
}

/// A call that waits for Step Functions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sending<I> {
    intent: I,
    pair: Pair,
    attempt: Attempt,
}

/// What Step Functions said of an outcome, as far as the protocol goes on with it. After any other answer the call
/// ends and the item stays as it is, for a repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sent {
    /// The task took it.
    Taken,
    /// The task is gone, as seen at this attempt of the adapter.
    Closed(Attempt),
}

/// Begins a call.
pub fn begin<I: Intent>(intent: I) -> Step<I> {
    let opening = intent.opening();
    Step::write(intent, opening)
}

impl<I: Intent> Writing<I> {
    /// The update to make.
    pub fn update(&self) -> &Update {
        &self.update
    }

    /// Goes on with what the store said.
    pub fn resume(self, written: Written) -> Step<I> {
        let Self { intent, update, delivering } = self;
        match (written, delivering) {
            (Written::Stored(item), Some(pair)) => match item.delivery() {
                Some(delivery) => Step::next(intent.settled(&pair, delivery, Some(&item)), intent),
                None => Step::next(intent.overtaken(Some(&item)), intent),
            },
            (Written::Stored(item), None) => match item.pair() {
                Some(pair) => Step::Send(Sending { attempt: attempt_of(update.write), pair, intent }),
                None => Step::Done(intent.alone()),
            },
            (Written::Refused(item), Some(pair)) => not_recorded(intent, pair, update.write, item.as_ref()),
            (Written::Refused(item), None) if update.write == Write::Repeat => {
                Step::next(intent.overtaken(item.as_ref()), intent)
            }
            (Written::Refused(item), None) => Step::next(intent.refused(item.as_ref()), intent),
        }
    }
}

impl<I: Intent> Sending<I> {
    /// The token and the outcome to send.
    pub fn pair(&self) -> &Pair {
        &self.pair
    }

    /// Goes on with what Step Functions said.
    pub fn resume(self, sent: Sent) -> Step<I> {
        let Self { intent, pair, attempt } = self;
        let delivery = match (sent, attempt) {
            (Sent::Taken, _) => Delivery::Delivered,
            (Sent::Closed(Attempt::First), Attempt::First) => Delivery::Late,
            (Sent::Closed(_), _) => Delivery::Unconfirmed,
        };
        Step::record(intent, pair, delivery)
    }
}

impl<I: Intent> Step<I> {
    fn write(intent: I, update: Update) -> Self {
        Self::Write(Writing { intent, update, delivering: None })
    }

    fn record(intent: I, pair: Pair, delivery: Delivery) -> Self {
        let update = writes::record(&pair, delivery, intent.now());
        Self::Write(Writing { intent, update, delivering: Some(pair) })
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

/// The record was refused: somebody else has repeated or recorded the delivery, or a newer wait has taken the key.
fn not_recorded<I: Intent>(intent: I, pair: Pair, write: Write, item: Option<&Item>) -> Step<I> {
    let registered = item.and_then(|item| item.registered.as_ref());
    let still_there = registered.is_some_and(|registered| registered.wait.started == *pair.wait_started());
    let recorded = item.and_then(Item::delivery);
    match write {
        // What was seen is true, whatever has become of the key since.
        Write::RecordDelivered => Step::next(intent.settled(&pair, Delivery::Delivered, None), intent),
        _ if still_there && recorded.is_none() => Step::record(intent, pair, Delivery::Unconfirmed),
        _ if still_there => Step::next(intent.overtaken(item), intent),
        _ => Step::next(intent.settled(&pair, Delivery::Unconfirmed, None), intent),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::{Completed, Outcome, Recorded, Registered, TaskToken, Wait, WaitStarted};

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    fn token() -> TaskToken {
        TaskToken::new("token").unwrap()
    }

    fn wait(retry: u32) -> Wait {
        let started = WaitStarted::new("2026-03-01T09:30:00.000Z", 0, retry).unwrap();
        Wait { started, deadline: now() + Duration::from_secs(60), execution: "arn".into() }
    }

    fn outcome() -> Outcome {
        Outcome::success("1").unwrap()
    }

    /// A wait with its outcome, undelivered.
    fn whole() -> Item {
        Item {
            registered: Some(Registered { token: token(), wait: wait(0), at: now() }),
            completed: Some(Completed { outcome: outcome(), at: now() }),
            delivery: None,
            attempts: 1,
            unconfirmed: None,
            pending_since: Some(now()),
            expires_at: now() + Duration::from_secs(3_600),
        }
    }

    fn delivered() -> Item {
        Item { delivery: Some(Recorded { delivery: Delivery::Delivered, at: now() }), ..whole() }
    }

    /// What is left when a newer wait has taken the key.
    fn newer() -> Item {
        Item {
            registered: Some(Registered { token: token(), wait: wait(1), at: now() }),
            completed: None,
            ..whole()
        }
    }

    /// The step after the own half was written, both are there, and the task was told.
    fn told<I: Intent>(intent: I, sent: Sent) -> Writing<I> {
        let Step::Write(writing) = begin(intent) else { panic!("no write") };
        let Step::Send(sending) = writing.resume(Written::Stored(whole())) else { panic!("not sent") };
        recording(sending.resume(sent))
    }

    fn recording<I: Intent>(step: Step<I>) -> Writing<I> {
        let Step::Write(writing) = step else { panic!("nothing to record") };
        writing
    }

    fn answer<I: Intent>(step: Step<I>) -> I::Answer {
        let Step::Done(answer) = step else { panic!("not done") };
        answer
    }

    fn completion() -> Complete {
        Complete::new(outcome(), now())
    }

    #[test]
    fn an_outcome_that_somebody_else_settled_meanwhile_is_not_recorded_for_a_newer_wait() {
        let opening = recording(begin(completion()));

        let repeat = recording(opening.resume(Written::Refused(Some(whole()))));
        let write = repeat.update().write;
        let step = repeat.resume(Written::Refused(Some(newer())));

        assert_eq!(write, Write::Repeat);
        assert_eq!(answer(step), Completion::Unconfirmed);
    }

    #[test]
    fn an_outcome_that_was_settled_and_followed_by_another_is_no_conflict() {
        let another = Completed { outcome: Outcome::success("2").unwrap(), at: now() };
        let followed = Item { completed: Some(another), ..newer() };

        let repeat = recording(recording(begin(completion())).resume(Written::Refused(Some(whole()))));
        let step = repeat.resume(Written::Refused(Some(followed)));

        assert_eq!(answer(step), Completion::Unconfirmed);
    }

    #[test]
    fn a_delivery_that_was_seen_is_true_whatever_has_become_of_the_key() {
        for item in [None, Some(newer())] {
            let step = told(completion(), Sent::Taken).resume(Written::Refused(item));

            assert_eq!(answer(step), Completion::Delivered { waited: Duration::ZERO });
        }
    }

    #[test]
    fn a_closed_task_that_others_have_tried_meanwhile_is_unconfirmed() {
        let tried = Item { attempts: 2, ..whole() };

        let step = told(completion(), Sent::Closed(Attempt::First)).resume(Written::Refused(Some(tried)));

        assert_eq!(recording(step).update().write, Write::RecordUnconfirmed);
    }

    #[test]
    fn a_closed_task_that_another_has_delivered_to_is_as_that_one_says() {
        let closed = Sent::Closed(Attempt::First);

        let completed = told(completion(), closed).resume(Written::Refused(Some(delivered())));
        let registered =
            told(Register::new(token(), wait(0), now()), closed).resume(Written::Refused(Some(delivered())));

        assert_eq!(answer(completed), Completion::Duplicate);
        assert_eq!(answer(registered), Registration::Completed(Delivery::Delivered));
    }

    #[test]
    fn a_closed_task_whose_key_a_newer_wait_has_taken_is_unconfirmed() {
        let closed = Sent::Closed(Attempt::First);

        let completed = told(completion(), closed).resume(Written::Refused(Some(newer())));
        let registered =
            told(Register::new(token(), wait(0), now()), closed).resume(Written::Refused(Some(newer())));
        let redelivered = told(Redeliver::new(now()), closed).resume(Written::Refused(Some(newer())));

        assert_eq!(answer(completed), Completion::Unconfirmed);
        assert_eq!(answer(registered), Registration::Completed(Delivery::Unconfirmed));
        assert_eq!(answer(redelivered), Some(Delivery::Unconfirmed));
    }
}
