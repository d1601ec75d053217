//! The tie between a store and the model: whatever the protocol writes does the same in both.

use std::{
    collections::{HashSet, VecDeque},
    slice,
};

use token_store::{
    Attempt, CallbackKey, Item, Outcome, RETENTION, TokenStore, Update, Written,
    protocol::{Complete, Intent, Redeliver, Register, Sent, Step, begin},
};

use super::{a_key, now, success, token, wait};

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

            assert_eq!(written, expected.clone().map_or(Written::Refused(item.clone()), Written::Stored));
            assert_eq!(store.get(&key).await.unwrap(), expected.or(item));
        }
    }
    println!("{} updates on {} items", updates.len(), histories.len());
}

/// All updates that some calls make on what they and others leave behind, and for every item that these updates can
/// leave one shortest series of them that leads to it.
fn reachable() -> (Vec<Update>, Vec<Vec<Update>>) {
    let later = now() + 2 * RETENTION;
    let mut updates = vec![];
    let mut histories = vec![];
    let mut items = HashSet::new();
    let mut open = VecDeque::from([(None, vec![])]);
    while let Some((item, history)) = open.pop_front() {
        collect(&mut updates, item.as_ref(), Register::new(token("1"), wait(1), now()));
        collect(&mut updates, item.as_ref(), Register::new(token("2"), wait(2), now()));
        collect(&mut updates, item.as_ref(), Register::new(token("3"), wait(3), later));
        collect(&mut updates, item.as_ref(), Complete::new(success(1), now()));
        collect(&mut updates, item.as_ref(), Complete::new(Outcome::failure("Failed", "cause"), later));
        collect(&mut updates, item.as_ref(), Redeliver::new(now()));
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

/// Adds the updates that a call makes when it finds `item` and nothing else happens, whatever Step Functions says.
fn collect<I: Intent>(updates: &mut Vec<Update>, item: Option<&Item>, intent: I) {
    let mut open = vec![(begin(intent), item.cloned())];
    while let Some((step, item)) = open.pop() {
        match step {
            Step::Write(writing) => {
                if !updates.contains(writing.update()) {
                    updates.push(writing.update().clone());
                }
                match writing.update().apply(item.as_ref()) {
                    Some(stored) => {
                        open.push((writing.resume(Written::Stored(stored.clone())), Some(stored)));
                    }
                    None => open.push((writing.resume(Written::Refused(item.clone())), item)),
                }
            }
            Step::Send(sending) => {
                let answers = [Sent::Taken, Sent::Closed(Attempt::First), Sent::Closed(Attempt::Repeat)];
                open.extend(answers.map(|sent| (sending.clone().resume(sent), item.clone())));
            }
            Step::Done(_) => {}
        }
    }
}
