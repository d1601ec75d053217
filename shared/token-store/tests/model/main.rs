//! Every interleaving of the protocol's steps, checked.
mod properties;
mod system;

use std::{collections::BTreeSet, sync::Mutex, time::Instant};

use stateright::{Checker, HasDiscoveries, Model};
use system::{Scenario, Store, System, TODAY, complete, much_later, redeliver, register};

fn system(scenario: &Scenario, store: Store) -> System {
    System { scenario: scenario.clone(), store, seen: Mutex::new(BTreeSet::new()) }
}

#[test]
fn explore() {
    let r1 = || register(0, 1, TODAY);
    let r2 = || register(0, 2, TODAY);
    let x = || complete(0, 1, TODAY);
    let y = || complete(0, 2, TODAY);
    let d = || redeliver(0, TODAY);
    let _ = (&much_later, &r2, &y);
    for (name, calls) in [
        ("r1 x", vec![r1(), x()]),
        ("r1 x y d", vec![r1(), x(), y(), d()]),
        ("r1 r2 x y", vec![r1(), r2(), x(), y()]),
        ("r1 r2 x y d", vec![r1(), r2(), x(), y(), d()]),
        ("r1 r1 r2 x x d", vec![r1(), r1(), r2(), x(), x(), d()]),
        ("r1 r1 r2 r2 x x y y", vec![r1(), r1(), r2(), r2(), x(), x(), y(), y()]),
        ("r1 r1 r2 r2 x x y y d", vec![r1(), r1(), r2(), r2(), x(), x(), y(), y(), d()]),
    ] {
        let scenario = Scenario { name, calls };
        let start = Instant::now();
        let checker = system(&scenario, Store::Faithful)
            .checker()
            .threads(1)
            .finish_when(HasDiscoveries::AnyFailures)
            .timeout(std::time::Duration::from_secs(60))
            .spawn_bfs()
            .join();
        println!(
            "{name}: {} states {:?} {}",
            checker.unique_state_count(),
            start.elapsed(),
            checker.is_done()
        );
        for (property, path) in checker.discoveries() {
            println!("VIOLATED {property}: {path:#?}");
            return;
        }
    }
}
