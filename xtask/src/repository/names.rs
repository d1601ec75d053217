//! Names that begin with the stack's name bound its length.

use std::sync::LazyLock;

use regex_lite::Regex;

use super::{Violation, files::Files};

/// The longest name of a state machine, in characters: `CreateStateMachine` takes no more.
const LONGEST: usize = 80;

static NAME: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\bName: !Sub \$\{AWS::StackName\}(-[a-z-]+)").expect("a constant that a test covers")
});

/// README says how long the stack's name can be. No rule of CloudFormation can compare lengths.
pub(super) fn check(files: &Files) -> Option<Violation> {
    let (template, readme) = (files.get("template.yaml")?, files.get("README.md")?);
    let longest = NAME.captures_iter(template).map(|name| name[1].len()).max()?;
    let statement = format!("The name of the stack has at most {} characters", LONGEST - longest);
    (!readme.contains(&statement)).then(|| Violation::new("README.md", format!("does not say: {statement}")))
}

#[cfg(test)]
mod tests {
    use super::super::sample::sample;

    #[test]
    fn the_longest_name_bounds_the_name_of_the_stack() {
        let longer = "Name: !Sub ${AWS::StackName}-bake-pizza-well";
        let longer = sample().replace("template.yaml", "Name: !Sub ${AWS::StackName}-bake-pizza", longer);

        let statement = "The name of the stack has at most 64 characters";
        assert_eq!(longer.violations(), [format!("README.md: does not say: {statement}")]);
    }
}
