//! The tie between a store and the model: whatever the protocol writes does the same in both.

use std::{
    collections::{HashSet, VecDeque},
    slice,
    time::{Duration, SystemTime},
};

use token_store::{
    CallbackKey, Outcome, TokenStore,
    callbacks::Attempt,
    item::{Item, RETENTION},
    protocol::{Call, Complete, Intent, Redeliver, Register, Sent, Todo, When},
    store::Written,
    update::Update,
    wait::{LateOutcomes, Wait, WaitStarted},
};

use super::{a_key, now, success, token};

/// Three writes lead to every combination of parts that an item can have; more only vary their values.
const LONGEST_HISTORY: usize = 3;

/// Makes every update that the protocol can ask for, on every item that it can leave, and compares with
/// [`Update::apply`].
pub(crate) async fn every_write_does_to_every_item_what_apply_does(store: impl TokenStore) {
    let (updates, histories) = reachable();
    let kind = a_key().kind().to_owned();
    let mut id = 0;
    for history in &histories {
        for update in &updates {
            id += 1;
            let key = CallbackKey::new(&kind, &id.to_string()).unwrap();
            let mut item = None;
            for past in history {
                let Written::Stored(stored) = store.update(&key, past).await.unwrap() else {
                    panic!("{past:?} was refused on {item:?}");
                };
                item = Some(stored);
            }
            let expected = update.apply(item.as_ref());

            let written = store.update(&key, update).await.unwrap();

            // A write that is refused has read the item.
            let Some(stored) = expected else {
                assert_eq!(written, Written::Refused(item));
                continue;
            };
            assert_eq!(written, Written::Stored(stored.clone()));
            assert_eq!(store.get(&key).await.unwrap(), Some(stored));
        }
    }
    println!("{} updates on {} items", updates.len(), histories.len());
}

/// All updates that some calls make on what they and others leave behind, and for every item that these updates can
/// leave one shortest series of them that leads to it.
fn reachable() -> (Vec<Update>, Vec<Vec<Update>>) {
    let later = now() + 2 * RETENTION;
    let (first, later_entry) = ("2026-03-01T12:00:00Z", "2026-03-01T12:00:01Z");
    let mut updates = vec![];
    let mut histories = vec![];
    let mut items = HashSet::new();
    let mut open = VecDeque::from([(None, vec![])]);
    while let Some((item, history)) = open.pop_front() {
        for call in [
            registration("1", "a", first, 1, now()),
            registration("2", "a", first, 2, now()),
            registration("3", "a", later_entry, 0, now()),
            registration("4", "b", later_entry, 0, later),
        ] {
            collect(&mut updates, item.as_ref(), call);
        }
        let failure = Outcome::failure("Failed", "cause");
        collect(&mut updates, item.as_ref(), Complete::new(success(1), When::new(now(), RETENTION)));
        collect(&mut updates, item.as_ref(), Complete::new(failure, When::new(later, RETENTION)));
        collect(&mut updates, item.as_ref(), Redeliver::new(When::new(now(), RETENTION)));
        for update in &updates {
            let next = update.apply(item.as_ref()).filter(|next| next.attempts < 3 && is_well_formed(next));
            if history.len() < LONGEST_HISTORY && next.is_some() && items.insert(next.clone()) {
                open.push_back((next, [&history[..], slice::from_ref(update)].concat()));
            }
        }
        histories.push(history);
    }
    (updates, histories)
}

/// What the model finds true of every item; a series of updates at random does not know it.
fn is_well_formed(item: &Item) -> bool {
    item.delivery.is_none() || item.pair().is_some()
}

fn registration(name: &str, execution: &str, entered: &str, retry: u32, at: SystemTime) -> Register {
    let wait = Wait {
        started: WaitStarted::new(entered, 0, retry).unwrap(),
        deadline: at + Duration::from_secs(3_600),
        execution: execution.to_owned(),
    };
    Register::new(token(name), wait, LateOutcomes::OfThisExecution, When::new(at, RETENTION))
}

/// Adds the updates that a call makes when it finds `item` and nothing else happens, whatever Step Functions says.
fn collect<I: Intent>(updates: &mut Vec<Update>, item: Option<&Item>, intent: I) {
    let mut open = vec![(Call::new(intent), item.cloned())];
    while let Some((call, item)) = open.pop() {
        match call.todo() {
            Todo::Write(update) => {
                if !updates.contains(update) {
                    updates.push(update.clone());
                }
                match update.apply(item.as_ref()) {
                    Some(stored) => open.push((call.written(Written::Stored(stored.clone())), Some(stored))),
                    None => open.push((call.written(Written::Refused(item.clone())), item)),
                }
            }
            Todo::Send(_) => {
                let answers = [
                    Sent::Taken,
                    Sent::Closed(Attempt::First),
                    Sent::Closed(Attempt::Repeat),
                    Sent::InvalidOutput,
                    Sent::Failed,
                ];
                open.extend(answers.map(|sent| (call.clone().sent(sent), item.clone())));
            }
            Todo::Answer(_) | Todo::Stopped(_) => {}
        }
    }
}
