//! Progress for people: on a terminal a line that moves, elsewhere a line for each step.

use std::{
    io::{IsTerminal, stderr},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// Tells what goes on, on standard error.
#[derive(Debug, Default)]
pub struct Progress {}

/// A step that is under way. Dropping it without [`Step::done`] leaves it marked as not finished.
#[derive(Debug)]
pub struct Step {
    title: String,
    started: Instant,
    spinner: Option<ProgressBar>,
    finished: bool,
}

impl Progress {
    /// Starts a step.
    #[must_use]
    pub fn step(&self, title: impl Into<String>) -> Step {
        let title = title.into();
        let spinner = if stderr().is_terminal() {
            let style = ProgressStyle::with_template("{spinner} {prefix} {elapsed:.dim} {wide_msg:.dim}");
            let spinner = ProgressBar::new_spinner().with_style(style.expect("a valid template"));
            spinner.set_prefix(title.clone());
            spinner.enable_steady_tick(Duration::from_millis(120));
            Some(spinner)
        } else {
            eprintln!("  {title} ...");
            None
        };
        Step { title, started: Instant::now(), spinner, finished: false }
    }

    /// Says something that stays.
    pub fn say(&self, text: &str) {
        eprintln!("{text}");
    }
}

impl Step {
    /// Shows a detail, for example the last line that a tool printed. Only terminals show it.
    pub fn detail(&self, detail: &str) {
        if let Some(spinner) = &self.spinner {
            spinner.set_message(detail.trim().to_owned());
        }
    }

    /// Ends the step well.
    pub fn done(mut self) {
        self.finished = true;
        self.close('✓');
    }

    fn close(&self, mark: char) {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
        eprintln!("{mark} {} ({:.1} s)", self.title, self.started.elapsed().as_secs_f64());
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if !self.finished {
            self.close('✗');
        }
    }
}
