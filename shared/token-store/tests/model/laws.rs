//! What must hold, whatever happens in whichever order.

use stateright::Property;
use token_store::{
    Delivery,
    callbacks::Attempt,
    item::{Item, RETENTION},
    protocol::{Call, Redeliver, Sent, Stopped, Todo},
    store::Written,
    update::{Change, Update, Write},
};

use crate::system::{
    self, BAD, Broken, Caller, FAILURE, State, System, TASKS, TODAY, Task, Told, hash, identity, number,
    started, task,
};

/// The promises of the crate's documentation, and below them what they rest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Law {
    /// Once both halves are written, a repeat resumes the task or records why not; no outcome disappears unused.
    NothingIsLost,
    /// The first outcome recorded for a wait that Step Functions does not refuse is the only one that it can receive.
    FirstOutcomeOnly,
    /// A token only ever receives an outcome that was recorded under its own key.
    OwnKeyOnly,
    /// A newer wait is never replaced by an older one, nor by one that began at the same moment.
    NewerWaitWins,
    /// What is recorded once is taken by one task at most.
    TakenOnce,
    /// No unused success is set aside by another attempt of the same state entry, and no late one by the same execution.
    NoUnusedSuccessAside,
    /// A wait of another execution whose task may still wait is not displaced in silence.
    NotDisplacedInSilence,
    /// What is recorded of a delivery is so.
    RecordIsTrue,
    /// Repeats after the record send nothing and change nothing.
    RecordStays,
    /// Every answer is true of the caller's own key and outcome, or task.
    AnswerIsTrue,
    /// A half that has expired meets nobody.
    ExpiredIsAbsent,
    /// What the list of waiting items and the repeats rely on; an item is kept until its wait's deadline and the
    /// retention have passed.
    WellFormed,
}

impl Law {
    pub(crate) const ALL: [Self; 12] = [
        Self::NothingIsLost,
        Self::FirstOutcomeOnly,
        Self::OwnKeyOnly,
        Self::NewerWaitWins,
        Self::TakenOnce,
        Self::NoUnusedSuccessAside,
        Self::NotDisplacedInSilence,
        Self::RecordIsTrue,
        Self::RecordStays,
        Self::AnswerIsTrue,
        Self::ExpiredIsAbsent,
        Self::WellFormed,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::NothingIsLost => "nothing is lost",
            Self::FirstOutcomeOnly => "only the first outcome recorded for a wait reaches it",
            Self::OwnKeyOnly => "a token receives only what was recorded under its own key",
            Self::NewerWaitWins => "a newer wait is never replaced by an older one",
            Self::TakenOnce => "what is recorded once is taken once",
            Self::NoUnusedSuccessAside => "no unused success lies aside",
            Self::NotDisplacedInSilence => "no living wait is displaced in silence",
            Self::RecordIsTrue => "records are true",
            Self::RecordStays => "a recorded delivery stays as it is",
            Self::AnswerIsTrue => "answers are true",
            Self::ExpiredIsAbsent => "what has expired counts as absent",
            Self::WellFormed => "an item is well formed and kept",
        }
    }
}

/// What happened, as far as the laws need it. Outcomes, tasks and recordings count from 1.
#[derive(Clone, Debug, Default, Hash, PartialEq)]
pub(crate) struct History {
    /// By task: the first outcome that stood beside its registration and can be read.
    first_outcome: [usize; TASKS],
    /// By task: whether any outcome stood beside its registration.
    paired: [bool; TASKS],
    /// By outcome and key: how often it was recorded.
    recorded: [[u8; 2]; 5],
    /// By recording: by how many tasks it was taken.
    taken: [u8; 8],
    recordings: u8,
    broken: u16,
}

impl History {
    fn must(&mut self, hold: bool, law: Law) {
        self.broken |= u16::from(!hold) << law as u16;
    }

    /// Counts a recording, and says which one it is.
    pub(crate) fn record(&mut self, caller: &Caller, after: &Item) -> u8 {
        self.recorded[outcome(after)][caller.key] += 1;
        self.recordings += 1;
        self.recordings
    }
}

pub(crate) fn properties(laws: &[Law]) -> Vec<Property<System>> {
    // A property is a plain function, so each law has its own.
    macro_rules! property {
        ($law:ident) => {
            Property::always(Law::$law.name(), |system: &System, state: &State| {
                let holds = state.history.broken & (1 << Law::$law as u16) == 0;
                holds && (Law::$law != Law::NothingIsLost || a_repeat_would_finish(system, state))
            })
        };
    }
    let property = |law: &Law| match law {
        Law::NothingIsLost => property!(NothingIsLost),
        Law::FirstOutcomeOnly => property!(FirstOutcomeOnly),
        Law::OwnKeyOnly => property!(OwnKeyOnly),
        Law::NewerWaitWins => property!(NewerWaitWins),
        Law::TakenOnce => property!(TakenOnce),
        Law::NoUnusedSuccessAside => property!(NoUnusedSuccessAside),
        Law::NotDisplacedInSilence => property!(NotDisplacedInSilence),
        Law::RecordIsTrue => property!(RecordIsTrue),
        Law::RecordStays => property!(RecordStays),
        Law::AnswerIsTrue => property!(AnswerIsTrue),
        Law::ExpiredIsAbsent => property!(ExpiredIsAbsent),
        Law::WellFormed => property!(WellFormed),
    };
    laws.iter().map(property).collect()
}

/// As if every call had crashed by now and only the reconciler came: what is whole is delivered and recorded.
fn a_repeat_would_finish(system: &System, state: &State) -> bool {
    state.items.iter().flatten().all(|item| {
        let Some(pair) = item.pair().filter(|_| item.delivery.is_none()) else { return true };
        let task = state.tasks[task(&pair.registered.token)];
        let mut finishes = system.finishes.lock().unwrap();
        *finishes.entry(hash(&(item, task))).or_insert_with(|| repeat_finishes(system, item, task))
    })
}

fn repeat_finishes(system: &System, item: &Item, mut task: Task) -> bool {
    let mut item = Some(item.clone());
    let mut call = Call::new(Redeliver::new(system::when(TODAY)));
    let answer = loop {
        call = match call.todo() {
            Todo::Write(update) => {
                let written = system.write(item.as_ref(), update);
                if let Written::Stored(stored) = &written {
                    item = Some(stored.clone());
                }
                call.written(written)
            }
            Todo::Send(pair) => {
                let outcome = number(&pair.completed.outcome);
                let sent = match task {
                    Task::Waiting if outcome == BAD => Sent::InvalidOutput,
                    Task::Waiting => {
                        task = Task::Took(outcome);
                        Sent::Taken
                    }
                    _ => Sent::Closed(Attempt::First),
                };
                call.sent(sent)
            }
            Todo::Answer(answer) => break *answer,
            Todo::Stopped(_) => return false,
        };
    };
    match (answer, item) {
        (Some(Delivery::Refused), Some(item)) => item.refused.is_some() && item.completed.is_none(),
        (Some(delivery), Some(item)) => item.delivery() == Some(delivery) && task != Task::Waiting,
        _ => false,
    }
}

pub(crate) fn check_write(
    state: &mut State,
    (key, caller): (usize, &Caller),
    update: &Update,
    before: Option<&Item>,
    after: &Item,
) {
    let recording = usize::from(state.recording[key]);
    let history = &mut state.history;
    if let (Some(task), true) = (waiting(after), after.completed.is_some()) {
        history.paired[task] = true;
        if history.first_outcome[task] == 0 && outcome(after) != BAD {
            history.first_outcome[task] = outcome(after);
        }
    }

    let expired = before.is_some_and(|before| before.has_expired(caller.now));
    if let Some(before) = before.filter(|_| !expired) {
        let (older, newer) = (waiting(before), waiting(after));
        let kept = older
            .is_none_or(|older| newer.is_some_and(|newer| newer == older || started(older) < started(newer)));
        history.must(kept, Law::NewerWaitWins);

        if before.completed.is_some() && outcome(before) != outcome(after) {
            let is = |aside: &Option<_>| aside.as_ref().map(number) == Some(outcome(before));
            let spent = before.delivery() == Some(Delivery::Delivered) && history.taken[recording] > 0
                || is(&after.unconfirmed)
                || is(&after.refused) && outcome(before) == BAD;
            history.must(spent, Law::NothingIsLost);
            if is(&after.unconfirmed)
                && ![FAILURE, BAD].contains(&outcome(before))
                && history.taken[recording] == 0
                && let (Some(older), Some(newer)) = (older, newer)
            {
                let ((of, entry, _), (by, new_entry, _)) = (identity(older), identity(newer));
                let late = before.delivery() == Some(Delivery::Late);
                history.must(of != by || entry != new_entry && !late, Law::NoUnusedSuccessAside);
            }
        }

        if let (Some(of), Some(by)) = (&before.registered, &after.registered)
            && of.wait.execution != by.wait.execution
            && of.wait.deadline > caller.now
            && before.delivery.is_none()
        {
            history.must(by.displaced.as_ref() == Some(&of.wait.execution), Law::NotDisplacedInSilence);
        }

        // Only a delivery that was seen may overrule a record, and only one that could not be confirmed.
        let overruled = (before.delivery(), after.delivery())
            == (Some(Delivery::Unconfirmed), Some(Delivery::Delivered))
            || before.delivery().is_none()
            || before.delivery() == after.delivery();
        history.must(overruled || older != newer, Law::RecordStays);
    }
    let repeats_recorded =
        update.write == Write::Repeat && before.is_some_and(|item| item.delivery.is_some());
    history.must(!repeats_recorded, Law::RecordStays);

    let used = after.completed.is_some()
        && waiting(after).is_some_and(|task| state.tasks[task] == Task::Took(outcome(after)));
    history.must(after.delivery() != Some(Delivery::Delivered) || used, Law::RecordIsTrue);
    history.must(after.delivery() != Some(Delivery::Late) || !used, Law::RecordIsTrue);

    let whole = after.pair().is_some();
    let meets = matches!(
        update.write,
        Write::Register
            | Write::RegisterAnew
            | Write::RegisterOver
            | Write::RegisterOnLate
            | Write::RegisterOnUnused
            | Write::Complete
            | Write::CompleteAnew
    );
    history.must(!(expired && whole && meets), Law::ExpiredIsAbsent);

    // DynamoDB refuses to copy an attribute that is not there.
    let moves =
        update.changes.iter().any(|c| matches!(c, Change::SetAsideCompleted | Change::RefuseCompleted));
    let movable = !moves || before.is_some_and(|before| before.completed.is_some());
    let some_half = after.registered.is_some() || after.completed.is_some();
    let whole_if_recorded = after.delivery.is_none() || whole;
    let listed_until_recorded = after.pending_since.is_some() == after.delivery.is_none();
    let kept = after
        .registered
        .as_ref()
        .is_none_or(|registered| after.expires_at >= registered.wait.deadline + RETENTION);
    let well_formed =
        some_half && whole_if_recorded && listed_until_recorded && after.attempts > 0 && movable && kept;
    history.must(well_formed, Law::WellFormed);
}

pub(crate) fn check_send(state: &mut State, caller: &Caller, _: usize, outcome: usize) {
    let history = &mut state.history;
    history.must(history.recorded[outcome][caller.key] > 0, Law::OwnKeyOnly);
}

pub(crate) fn check_taken(state: &mut State, caller: &Caller, task: usize, outcome: usize) {
    let history = &mut state.history;
    history.must(history.first_outcome[task] == outcome, Law::FirstOutcomeOnly);
    let taken = &mut history.taken[usize::from(caller.recording)];
    *taken += 1;
    let once = *taken == 1;
    history.must(once, Law::TakenOnce);
}

/// Every answer, by its word. Where an answer is told after a write, the item is as that write left it.
pub(crate) fn check_answer(system: &System, state: &mut State, caller: &Caller) {
    let item = state.items[system.item_of(caller.key)].as_deref();
    let is_true = match caller.call.told() {
        None => false,
        Some(Told::Complete(own, told)) => completion_is_true(system, state, (caller, item), own, told),
        Some(Told::Register(own, told)) => registration_is_true(system, state, item, own, told),
        Some(Told::Redeliver(told)) => redelivery_is_true(system, state, (caller, item), told),
    };
    state.history.must(is_true, Law::AnswerIsTrue);
}

fn completion_is_true(
    system: &System,
    state: &State,
    (caller, item): (&Caller, Option<&Item>),
    own: usize,
    told: Result<token_store::Completion, Stopped>,
) -> bool {
    let history = &state.history;
    let was_recorded = history.recorded[own][caller.key] > 0;
    let found = item.filter(|item| item.completed.is_some());
    let found_own = found.filter(|item| outcome(item) == own);
    let delivery = found_own.and_then(Item::delivery);
    let waits = found_own.is_some_and(|item| item.registered.is_some());
    let taken = history.taken[usize::from(state.recording[system.item_of(caller.key)])] > 0;
    let word = match told {
        Err(Stopped::Unsent) => return was_recorded,
        Err(Stopped::Contended) => return true,
        Err(Stopped::InvalidToken) => return false,
        Ok(completion) => match system.broken {
            Broken::Tells { instead_of, completion: lie } if completion.as_str() == instead_of => lie,
            _ => completion.as_str(),
        },
    };
    match word {
        "delivered" => was_recorded && history.taken[usize::from(caller.recording)] > 0,
        "duplicate" => delivery == Some(Delivery::Delivered) && taken,
        "parked" => found_own.is_some() && !waits,
        "conflict" => found.is_some_and(|item| outcome(item) != own),
        "late" => delivery == Some(Delivery::Late) && !taken,
        "unconfirmed" => {
            let known = matches!(delivery, Some(Delivery::Delivered | Delivery::Late));
            was_recorded && !known && (waits || found_own.is_none())
        }
        "refused" => was_recorded && own == BAD,
        _ => false,
    }
}

fn registration_is_true(
    system: &System,
    state: &State,
    item: Option<&Item>,
    own: usize,
    told: Result<token_store::Registration, Stopped>,
) -> bool {
    let found = item.and_then(|item| item.registered.as_ref()).map(|found| (task(&found.token), found));
    let found_own = found.filter(|(found, _)| *found == own).map(|(_, registered)| registered);
    let alone = item.is_some_and(|item| item.completed.is_none());
    let displaced = found_own.and_then(|registered| registered.displaced.as_ref());
    let other = found.filter(|(found, _)| *found != own).map(|(found, _)| found);
    let follows =
        other.is_some_and(|other| identity(other).0 == identity(own).0 && started(other) > started(own));
    let registration = match told {
        Err(Stopped::Contended) => return true,
        Err(Stopped::Unsent | Stopped::InvalidToken) => return false,
        Ok(registration) => registration,
    };
    let word = match system.broken {
        Broken::TellsTask { instead_of, registration: lie } if registration.as_str() == instead_of => lie,
        _ => registration.as_str(),
    };
    let delivery = match registration {
        token_store::Registration::Completed(delivery) => Some(delivery),
        _ => None,
    };
    let recorded = item.and_then(Item::delivery).filter(|_| found_own.is_some());
    match word {
        "waiting" => found_own.is_some() && alone && displaced.is_none(),
        "displaced" => found_own.is_some() && alone && displaced.is_some(),
        "completed" => match delivery {
            Some(Delivery::Delivered) => matches!(state.tasks[own], Task::Took(_)),
            Some(Delivery::Late) => state.tasks[own] == Task::Closed && recorded == Some(Delivery::Late),
            Some(Delivery::Unconfirmed) => {
                state.tasks[own] != Task::Waiting && recorded.is_none_or(|d| d == Delivery::Unconfirmed)
            }
            _ => false,
        },
        "undelivered" => state.history.paired[own],
        "superseded" => follows,
        "occupied" => other.is_some_and(|other| started(other) >= started(own)) && !follows,
        _ => false,
    }
}

fn redelivery_is_true(
    system: &System,
    state: &State,
    (caller, item): (&Caller, Option<&Item>),
    told: Result<Option<Delivery>, Stopped>,
) -> bool {
    let word = match told {
        Err(Stopped::Unsent | Stopped::Contended) => return true,
        Err(Stopped::InvalidToken) => return false,
        Ok(None) => {
            return !item.is_some_and(|item| item.pair().is_some() && item.delivery.is_none());
        }
        Ok(Some(delivery)) => match system.broken {
            Broken::TellsReconciler { instead_of, delivery: lie } if delivery.as_str() == instead_of => lie,
            _ => delivery.as_str(),
        },
    };
    let recorded = item.and_then(Item::delivery);
    match word {
        "delivered" => state.history.taken[usize::from(caller.recording)] > 0,
        "unconfirmed" => {
            let still = item.and_then(waiting) == Some(caller.sent_to);
            state.tasks[caller.sent_to] != Task::Waiting
                && (!still || recorded == Some(Delivery::Unconfirmed))
        }
        "refused" => {
            state.history.recorded[BAD][caller.key] > 0
                && state.history.taken[usize::from(caller.recording)] == 0
        }
        // The first sending may have been what closed the task.
        _ => false,
    }
}

/// The task of the registered wait.
fn waiting(item: &Item) -> Option<usize> {
    item.registered.as_ref().map(|registered| task(&registered.token))
}

/// The recorded outcome; 0 for none.
fn outcome(item: &Item) -> usize {
    item.completed.as_ref().map_or(0, |completed| number(&completed.outcome))
}
