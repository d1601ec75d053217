//! The errors that code gives and the errors that state machines handle are the same.
//!
//! Only our own names are compared. `States.Timeout` and `Lambda.ServiceException`, known by their dot, are AWS's.
//!
//! Where a name can arise decides whether it counts, for a `Catch` at another state is as dead as a misspelt one:
//!
//! - a state that invokes a function fails with the function's `NamedError` names;
//! - a state that waits for a task token fails with what a function (`src/failure.rs`) or another machine sends by
//!   `SendTaskFailure`. A machine that sends an expression instead of a name passes on what its own functions give;
//! - a `Parallel` or `Map` fails with what fails inside, `Fail` states included.
//!
//! The `Fail` state of another machine is no such place: a parent that runs it by `.sync` sees `States.TaskFailed`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Violation;
use super::asl::{Machine, State, elements, inner_scopes, placeholders, states_in, string, waits_for_token};
use super::code::{Name, Names};
use super::template::Template;

/// Every error name that a machine handles can arise there, and every error name of the code is handled.
pub(super) fn check(
    machines: &[Machine],
    template: &Template,
    code: &BTreeMap<String, Names>,
) -> Vec<Violation> {
    let application = Application { machines, template, code };
    let sent: Vec<_> = application.failures_sent();
    let relayed = application.errors_relayed();
    let callback_names: BTreeSet<_> = sent.iter().chain(&relayed).map(|name| name.name.as_str()).collect();

    let mut violations = Vec::new();
    for machine in machines {
        for state in machine.states() {
            violations.extend(application.check_handlers(machine, &state, &callback_names));
            violations.extend(application.check_invocation(machine, &state));
        }
    }
    violations.extend(check_sent(machines, &sent));
    violations
}
