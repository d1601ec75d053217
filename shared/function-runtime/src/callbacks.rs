//! What became of callbacks, as metrics by kind of callback key.
//!
//! Each counts one call: `Delivered` with `CallbackWaitMs`, `Parked`, `Duplicate`, `Conflict`, `Late`, `Unconfirmed`.

use token_store::{CallbackKey, Completion, Delivery, Registration};

use crate::metrics::{Unit, publish};

/// Publishes what became of an outcome.
pub fn completed(key: &CallbackKey, completion: Completion) {
    publish(&[("Kind", key.kind())], &of_completion(completion));
}

/// Publishes what became of an outcome that a registration found. A registration that found none publishes nothing:
/// what waits is counted by the reconciler.
pub fn registered(key: &CallbackKey, registration: Registration) {
    if let Registration::Completed(delivery) = registration {
        redelivered(key, delivery);
    }
}

/// Publishes how the delivery of an outcome ended that had come before.
pub fn redelivered(key: &CallbackKey, delivery: Delivery) {
    let name = match delivery {
        Delivery::Delivered => "Delivered",
        Delivery::Late => "Late",
        Delivery::Unconfirmed => "Unconfirmed",
    };
    publish(&[("Kind", key.kind())], &[(name, Unit::Count, 1)]);
}

fn of_completion(completion: Completion) -> Vec<(&'static str, Unit, u64)> {
    let one = |name| vec![(name, Unit::Count, 1)];
    match completion {
        Completion::Delivered { waited } => {
            let waited_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
            vec![("Delivered", Unit::Count, 1), ("CallbackWaitMs", Unit::Milliseconds, waited_ms)]
        }
        Completion::Parked => one("Parked"),
        Completion::Duplicate => one("Duplicate"),
        Completion::Conflict => one("Conflict"),
        Completion::Late => one("Late"),
        Completion::Unconfirmed => one("Unconfirmed"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_delivery_tells_how_long_the_task_had_waited() {
        let waited = Duration::from_millis(6_021);

        assert_eq!(
            of_completion(Completion::Delivered { waited }),
            [("Delivered", Unit::Count, 1), ("CallbackWaitMs", Unit::Milliseconds, 6_021)]
        );
    }

    #[test]
    fn every_other_end_counts_once_under_its_name() {
        for (completion, name) in [
            (Completion::Parked, "Parked"),
            (Completion::Duplicate, "Duplicate"),
            (Completion::Conflict, "Conflict"),
            (Completion::Late, "Late"),
            (Completion::Unconfirmed, "Unconfirmed"),
        ] {
            assert_eq!(of_completion(completion), [(name, Unit::Count, 1)]);
        }
    }
}
