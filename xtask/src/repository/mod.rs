//! What no compiler checks: that template, state machines, functions, sample events and README fit together.
//!
//! `cargo xtask check` runs these checks on the files alone, in a moment and without AWS. Each looks for a
//! mistake that deploys well and shows itself only when a workflow runs, or when somebody reads:
//!
//! - [`substitutions`]: a `${X}` that nothing replaces, a machine that nothing deploys;
//! - [`waits`]: a wait that never ends, or that nobody can answer;
//! - [`error_names`]: a `Catch` for an error that cannot arise, an error that nobody catches;
//! - [`literals`]: a definition that works in one account, region or partition only;
//! - [`hygiene`]: a transition to nowhere, a state that nothing reaches;
//! - [`functions`]: a function that nobody can deploy, try or find;
//! - [`names`]: how long a stack's name can be.
//!
//! [`files`] reads the repository once; [`asl`], [`template`] and [`code`] are what the checks see of it. A
//! file that cannot be parsed is a violation too, and the checks that need it are skipped.

mod asl;
mod code;
mod error_names;
mod files;
mod functions;
mod hygiene;
mod literals;
mod names;
#[cfg(test)]
mod sample;
mod substitutions;
mod template;
mod waits;

use std::fmt::{self, Display};
use std::path::Path;

use files::Files;

/// Something wrong in the repository: where, and what to do about it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Violation {
    /// A file, with a line (`template.yaml:12`) or a JSON pointer (`statemachines/a.asl.json:/States/Wait`)
    /// if known.
    place: String,
    message: String,
}

impl Violation {
    fn new(place: impl Display, message: impl Into<String>) -> Self {
        Self { place: place.to_string(), message: message.into() }
    }
}

impl Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// Checks the repository at `root` and prints every violation, one a line, to standard error.
///
/// # Errors
///
/// When there is a violation, or a file cannot be read.
pub(crate) fn check(root: &Path) -> anyhow::Result<()> {
    let violations = violations(&files::read(root)?);

    for violation in &violations {
        eprintln!("{violation}");
    }
    anyhow::ensure!(violations.is_empty(), "the repository checks found {} violation(s)", violations.len());
    Ok(())
}

/// Every violation, in the order of their places.
fn violations(files: &Files) -> Vec<Violation> {
    let (machines, mut violations) = asl::machines(files);
    let (code, unreadable) = code::names(files);
    violations.extend(unreadable);

    let all_readable = violations.is_empty();

    violations.extend(waits::check(&machines));
    violations.extend(literals::check(&machines));
    violations.extend(hygiene::check(&machines));
    violations.extend(functions::check_events(files));
    violations.extend(names::check(files));
    match template::parse(files) {
        Ok(template) => {
            violations.extend(substitutions::check(files, &machines, &template));
            violations.extend(functions::check_resources(files, &template));
            if all_readable {
                violations.extend(error_names::check(&machines, &template, &code));
            }
        }
        Err(violation) => violations.push(violation),
    }

    violations.sort();
    violations
}

#[cfg(test)]
mod tests {
    use super::sample::{Sample, sample};

    #[test]
    fn the_sample_repository_has_no_violations() {
        assert_eq!(sample().violations(), Vec::<String>::new());
    }

    #[test]
    fn every_violation_is_reported_in_the_order_of_the_places() {
        let broken = sample()
            .replace("template.yaml", "OrderQueueUrl: !Ref OrderQueue", "QueueUrl: !Ref OrderQueue")
            .replace("statemachines/party.asl.json", r#""TimeoutSeconds": 300,"#, "");

        assert_eq!(
            broken.violations(),
            [
                "statemachines/bake-pizza.asl.json:10: \
                 `${OrderQueueUrl}` is not substituted: list it in the DefinitionSubstitutions of \
                 BakePizzaStateMachine",
                "statemachines/party.asl.json:/States/Feed All/ItemProcessor/States/Feed Guest: \
                 waits without an end if no callback comes: add TimeoutSeconds",
                "template.yaml:12: \
                 `QueueUrl` is not used in statemachines/bake-pizza.asl.json: remove the substitution",
            ]
        );
    }

    #[test]
    fn nothing_in_the_repository_is_a_violation_only_of_the_template() {
        assert_eq!(Sample::default().violations(), ["template.yaml: does not exist: add the SAM template"]);
    }
}
