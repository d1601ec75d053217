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

mod complete;
mod redeliver;
mod register;
mod writes;

use std::time::SystemTime;

pub use complete::{Complete, Completion};
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
