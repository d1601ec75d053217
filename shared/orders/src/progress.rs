//! What the workflow says of an order, and what that makes of its record.

use crate::{Decision, Order, OrderId, OrderState, Refusal, Run, UserId};

/// Something that an execution says of its order. It may be said twice, and after what followed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// Which order.
    pub order_id: OrderId,
    /// Whose.
    pub user_id: UserId,
    /// Who says so.
    pub run: Run,
    /// What happened.
    pub progress: Progress,
}

/// What happened to an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// The workflow waits for the customer.
    Started,
    /// The workflow has drawn a number and waits for a barista.
    WaitingCompletion {
        /// The number.
        number: u64,
    },
    /// The workflow has come to its good end.
    Finished,
    /// Somebody was silent for too long.
    TimedOut {
        /// Who.
        cause: String,
    },
    /// The order was given up.
    Cancelled {
        /// Why.
        cause: String,
    },
    /// The shop did not take it.
    Refused {
        /// Why.
        cause: String,
    },
    /// The execution failed, was stopped or ran out of time.
    Failed {
        /// How.
        cause: String,
    },
}

impl Fact {
    /// What the fact makes of the record. A record only ever goes forward, and a final state stays; a fact that comes
    /// late still fills in what is missing.
    ///
    /// A record that another execution has ended is begun anew for an execution that was started later: people do that
    /// by hand. The workflow itself starts one execution for an order.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotYours`] when the order was asked for by another customer, and [`Refusal::AnotherExecution`].
    pub fn apply(&self, found: Option<&Order>, now_epoch_ms: u64) -> Result<Decision, Refusal> {
        let new = || Order {
            run: Some(self.run.clone()),
            ..Order::new(self.order_id.clone(), self.user_id.clone(), now_epoch_ms)
        };
        let Some(order) = found else { return Ok(Decision::Write(self.advance(&new()).at(now_epoch_ms))) };
        let own = match &order.run {
            None => Order { run: Some(self.run.clone()), ..order.of_customer(&self.user_id)?.clone() },
            Some(run) if run.execution == self.run.execution => order.clone(),
            Some(run) if order.state.is_final() && run.started_at_epoch_ms < self.run.started_at_epoch_ms => {
                new()
            }
            Some(_) => return Err(Refusal::AnotherExecution),
        };
        let advanced = self.advance(&own);
        Ok(if advanced == *order {
            Decision::Keep(advanced)
        } else {
            Decision::Write(advanced.at(now_epoch_ms))
        })
    }

    /// The order with what the fact adds to it.
    fn advance(&self, order: &Order) -> Order {
        let state = self.progress.state();
        let goes_on = state > order.state && !order.state.is_final();
        let reason = self.progress.cause().filter(|_| goes_on).map(str::to_owned);
        let number = match self.progress {
            Progress::WaitingCompletion { number } => Some(number),
            _ => None,
        };
        Order {
            state: if goes_on { state } else { order.state },
            reason: order.reason.clone().or(reason),
            number: order.number.or(number),
            ..order.clone()
        }
    }
}

impl Progress {
    fn state(&self) -> OrderState {
        match self {
            Self::Started => OrderState::Created,
            Self::WaitingCompletion { .. } => OrderState::WaitingCompletion,
            Self::Finished => OrderState::Completed,
            Self::TimedOut { .. } => OrderState::TimedOut,
            Self::Cancelled { .. } => OrderState::Cancelled,
            Self::Refused { .. } => OrderState::Refused,
            Self::Failed { .. } => OrderState::Failed,
        }
    }

    fn cause(&self) -> Option<&str> {
        match self {
            Self::Started | Self::WaitingCompletion { .. } | Self::Finished => None,
            Self::TimedOut { cause }
            | Self::Cancelled { cause }
            | Self::Refused { cause }
            | Self::Failed { cause } => Some(cause),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Drink;

    fn run(name: &str, started_at_epoch_ms: u64) -> Run {
        Run { execution: name.into(), started_at_epoch_ms }
    }

    fn fact(progress: Progress) -> Fact {
        Fact {
            order_id: "42".parse().unwrap(),
            user_id: "ada".parse().unwrap(),
            run: run("first", 1_000),
            progress,
        }
    }

    fn timed_out() -> Progress {
        Progress::TimedOut { cause: "Customer timedout".into() }
    }

    /// What facts make of a record, one after the other. Refused ones change nothing.
    fn told(found: Option<Order>, facts: &[Fact]) -> Order {
        let tell = |found: Option<Order>, fact: &Fact| match fact.apply(found.as_ref(), 2_000) {
            Ok(Decision::Write(order) | Decision::Keep(order)) => Some(order),
            Err(_) => found,
        };
        facts.iter().fold(found, tell).expect("a fact makes a record")
    }

    fn requested() -> Order {
        Order::new("42".parse().unwrap(), "ada".parse().unwrap(), 1_000)
    }

    #[test]
    fn an_order_that_nobody_asked_for_by_http_gets_its_record_from_the_workflow() {
        let order = told(None, &[fact(Progress::Started)]);

        assert_eq!((order.state, order.run), (OrderState::Created, Some(run("first", 1_000))));
        assert_eq!(order.user_id.as_str(), "ada");
    }

    #[test]
    fn facts_come_in_any_order_and_twice_and_say_the_same() {
        let all = [
            fact(Progress::Started),
            fact(Progress::WaitingCompletion { number: 7 }),
            fact(Progress::Finished),
        ];
        let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        for order in orders {
            let facts: Vec<_> = order.iter().flat_map(|at| [all[*at].clone(), all[*at].clone()]).collect();

            let told = told(Some(requested()), &facts);

            assert_eq!((told.state, told.number), (OrderState::Completed, Some(7)), "{order:?}");
        }
    }

    #[test]
    fn a_fact_that_says_nothing_new_writes_nothing() {
        let order = told(None, &[fact(Progress::WaitingCompletion { number: 7 })]);

        for progress in [Progress::Started, Progress::WaitingCompletion { number: 8 }] {
            assert_eq!(fact(progress).apply(Some(&order), 9_000), Ok(Decision::Keep(order.clone())));
        }
    }

    #[test]
    fn a_drink_that_was_submitted_is_not_forgotten_by_a_fact_that_comes_late() {
        let drink = Drink { drink: "Latte".into(), modifiers: vec![], icon: None };
        let submitted = Order { state: OrderState::Submitted, drink: Some(drink.clone()), ..requested() };

        let order = told(Some(submitted), &[fact(Progress::Started)]);

        assert_eq!((order.state, order.drink), (OrderState::Submitted, Some(drink)));
        assert_eq!(order.run, Some(run("first", 1_000)));
    }

    #[test]
    fn the_first_end_is_the_end_and_says_why() {
        let ends = [
            (timed_out(), OrderState::TimedOut, Some("Customer timedout")),
            (Progress::Cancelled { cause: "given up".into() }, OrderState::Cancelled, Some("given up")),
            (Progress::Refused { cause: "Shop closed".into() }, OrderState::Refused, Some("Shop closed")),
            (Progress::Failed { cause: "ABORTED".into() }, OrderState::Failed, Some("ABORTED")),
            (Progress::Finished, OrderState::Completed, None),
        ];
        for (first, state, reason) in &ends {
            for (second, _, _) in &ends {
                let order = told(Some(requested()), &[fact(first.clone()), fact(second.clone())]);

                assert_eq!((order.state, order.reason.as_deref()), (*state, *reason));
            }
        }
    }

    #[test]
    fn a_fact_about_another_customers_order_is_refused() {
        let another = Fact { user_id: "bob".parse().unwrap(), ..fact(Progress::Started) };

        assert_eq!(another.apply(Some(&requested()), 2_000), Err(Refusal::NotYours));
    }

    #[test]
    fn an_execution_takes_over_from_an_older_one_that_has_ended_and_from_no_other() {
        let of = |name, started, progress| Fact { run: run(name, started), ..fact(progress) };
        let live = told(None, &[fact(Progress::WaitingCompletion { number: 7 })]);
        let ended = told(None, &[fact(Progress::WaitingCompletion { number: 7 }), fact(timed_out())]);
        let newer = of("second", 1_001, Progress::Started);

        assert_eq!(newer.apply(Some(&live), 2_000), Err(Refusal::AnotherExecution));
        assert_eq!(
            of("second", 1_000, Progress::Started).apply(Some(&ended), 2_000),
            Err(Refusal::AnotherExecution)
        );
        let anew = told(Some(ended), &[newer]);
        assert_eq!((anew.state, anew.number, anew.reason), (OrderState::Created, None, None));
        assert_eq!(anew.run, Some(run("second", 1_001)));
    }
}
