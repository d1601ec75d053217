//! The rings of tests: each is run, shown, counted and timed.

use std::{
    process::{ExitCode, Stdio},
    time::{Duration, Instant},
};

use anyhow::Result;
use local_stack::{
    Progress, Workspace,
    process::{ProcessGroup, run_logged},
};
use regex_lite::Regex;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::Command,
};

/// The name of a ring, and the command that runs its tests.
pub(super) type Ring = (&'static str, Command);

/// What a run of tests has shown so far.
pub(super) struct Rings<'a> {
    workspace: &'a Workspace,
    progress: &'a Progress,
    results: Vec<RingResult>,
}

struct RingResult {
    name: &'static str,
    count: Count,
    took: Duration,
    passed: bool,
}

/// How many tests passed and failed, read from what the test runners print.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct Count {
    passed: usize,
    failed: usize,
}

impl<'a> Rings<'a> {
    pub(super) fn new(workspace: &'a Workspace, progress: &'a Progress) -> Self {
        Self { workspace, progress, results: Vec::new() }
    }

    /// Runs the repository's checks, which count nothing.
    pub(super) async fn checks(&mut self, checks: impl AsyncFnOnce() -> Result<bool>) -> Result<()> {
        let started = Instant::now();
        let passed = checks().await?;
        let result = RingResult { name: "checks", count: Count::default(), took: started.elapsed(), passed };
        self.results.push(result);
        Ok(())
    }

    /// Compiles tests before the first of them runs, so that the rings' times are their own.
    pub(super) async fn compile(&self, mut command: Command) -> Result<()> {
        let step = self.progress.step("Compiling the tests of the stack");
        let log = self.workspace.local().join("logs/compile-tests.log");
        run_logged(&mut command, &log, &step).await?;
        step.done();
        Ok(())
    }

    /// Runs the tests of a ring. One that fails does not hide the next.
    pub(super) async fn run(&mut self, ring: Ring) -> Result<()> {
        let result = self.measured(ring).await?;
        self.results.push(result);
        Ok(())
    }

    /// Runs two rings at once that do not disturb each other.
    pub(super) async fn run_both(&mut self, rings: [Ring; 2]) -> Result<()> {
        let [one, other] = rings.map(|ring| self.measured(ring));
        let (one, other) = tokio::try_join!(one, other)?;
        self.results.extend([one, other]);
        Ok(())
    }

    async fn measured(&self, (name, mut command): Ring) -> Result<RingResult> {
        let step = self.progress.step(format!("Testing: {name}"));
        let mut group = ProcessGroup::spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped()))?;
        let child = group.child();
        let outputs = (child.stdout.take(), child.stderr.take());
        let (of_stdout, of_stderr, status) =
            tokio::join!(self.show(outputs.0), self.show(outputs.1), child.wait());

        let (of_stdout, of_stderr) = (of_stdout?, of_stderr?);
        let count = Count {
            passed: of_stdout.passed + of_stderr.passed,
            failed: of_stdout.failed + of_stderr.failed,
        };
        let passed = status?.success() && count.passed > 0;
        Ok(RingResult { name, count, took: step.done(), passed })
    }

    async fn show(&self, output: Option<impl AsyncRead + Unpin>) -> Result<Count> {
        let mut count = Count::default();
        let Some(output) = output else { return Ok(count) };
        let mut lines = BufReader::new(output).lines();
        while let Some(line) = lines.next_line().await? {
            count.add(&line);
            self.progress.say(&line);
        }
        Ok(count)
    }

    /// Prints one table of all rings, and whether all passed.
    pub(super) fn summary(&self) -> ExitCode {
        println!("\n{:<24} {:>6} {:>8}  result", "ring", "tests", "seconds");
        for RingResult { name, count, took, passed } in &self.results {
            let tests = match count.passed + count.failed {
                0 => "-".to_owned(),
                tests => tests.to_string(),
            };
            let result = if *passed { "passed" } else { "FAILED" };
            println!("{name:<24} {tests:>6} {:>8.0}  {result}", took.as_secs_f64());
        }
        let sum = |of: fn(&Count) -> usize| self.results.iter().map(|ring| of(&ring.count)).sum::<usize>();
        println!("\n{} passed, {} failed", sum(|count| count.passed), sum(|count| count.failed));
        let passed = !self.results.is_empty() && self.results.iter().all(|ring| ring.passed);
        if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

impl Count {
    /// Adds what a line says, if it is a summary of Rust's test runner or of Python's.
    fn add(&mut self, line: &str) {
        let number = |pattern: &str| {
            let found = Regex::new(pattern).expect("a valid pattern").captures(line)?;
            found[1].parse::<usize>().ok()
        };
        if line.starts_with("test result: ") {
            self.passed += number(r"(\d+) passed").unwrap_or_default();
            self.failed += number(r"(\d+) failed").unwrap_or_default();
        } else if line.starts_with("FAILED (") {
            let failed = number(r"failures=(\d+)").unwrap_or_default();
            let failed = failed + number(r"errors=(\d+)").unwrap_or_default();
            self.failed += failed;
            self.passed = self.passed.saturating_sub(failed);
        } else if line.starts_with("Ran ") {
            self.passed += number(r"^Ran (\d+) tests? in ").unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(lines: &[&str]) -> (usize, usize) {
        let mut count = Count::default();
        for line in lines {
            count.add(line);
        }
        (count.passed, count.failed)
    }

    #[test]
    fn summaries_of_rusts_test_runner_are_added_up() {
        let lines = [
            "running 3 tests",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
        ];

        assert_eq!(counted(&lines), (4, 2));
    }

    #[test]
    fn summaries_of_pythons_test_runner_are_added_up() {
        assert_eq!(counted(&["Ran 93 tests in 25.619s", "", "OK"]), (93, 0));
        assert_eq!(counted(&["Ran 93 tests in 25.619s", "", "FAILED (failures=2, errors=1)"]), (90, 3));
    }
}
