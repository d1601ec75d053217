//! Progress for people: on a terminal a line that moves, elsewhere a line for each step.

use std::{
    collections::BTreeMap,
    fs,
    io::{IsTerminal, stderr},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::Workspace;

/// Tells what goes on, on standard error.
#[derive(Debug, Default)]
pub struct Progress {
    bars: MultiProgress,
    last_times: Option<Arc<LastTimes>>,
}

/// A step that is under way. Dropping it without [`Step::done`] leaves it marked as not finished.
#[derive(Debug)]
pub struct Step {
    title: String,
    started: Instant,
    spinner: Option<ProgressBar>,
    last_times: Option<Arc<LastTimes>>,
    finished: bool,
}

/// How many seconds each step took the last time, in a file.
#[derive(Debug)]
struct LastTimes {
    file: PathBuf,
    seconds: Mutex<BTreeMap<String, f64>>,
}

impl Progress {
    /// Remembers in the workspace's `target` how long each step takes, and says it the next time.
    #[must_use]
    pub fn of(workspace: &Workspace) -> Self {
        let last_times = LastTimes::read(&workspace.local().join("last-times.json"));
        Self { last_times: Some(Arc::new(last_times)), ..Self::default() }
    }

    /// Starts a step.
    #[must_use]
    pub fn step(&self, title: impl Into<String>) -> Step {
        let title = title.into();
        let last_time = self.last_times.as_ref().and_then(|times| times.of(&title));
        let announced = match last_time {
            Some(seconds) if seconds >= 1.0 => format!("{title} (last time {seconds:.0} s)"),
            _ => title.clone(),
        };
        let spinner = if stderr().is_terminal() {
            let style = ProgressStyle::with_template("{spinner} {prefix} {elapsed:.dim} {wide_msg:.dim}");
            let spinner = ProgressBar::new_spinner().with_style(style.expect("a valid template"));
            let spinner = self.bars.add(spinner);
            spinner.set_prefix(announced);
            spinner.enable_steady_tick(Duration::from_millis(120));
            Some(spinner)
        } else {
            eprintln!("  {announced} ...");
            None
        };
        Step { title, started: Instant::now(), spinner, last_times: self.last_times.clone(), finished: false }
    }

    /// Says something that stays.
    pub fn say(&self, text: &str) {
        self.bars.suspend(|| eprintln!("{text}"));
    }

    /// Lets `print` write to standard output undisturbed by what moves on the terminal.
    pub fn pause<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bars.suspend(print)
    }
}

impl LastTimes {
    /// What is not there or not readable was never measured.
    fn read(file: &Path) -> Self {
        let seconds = fs::read(file).ok().and_then(|json| serde_json::from_slice(&json).ok());
        Self { file: file.to_owned(), seconds: Mutex::new(seconds.unwrap_or_default()) }
    }

    fn of(&self, title: &str) -> Option<f64> {
        self.seconds.lock().unwrap_or_else(PoisonError::into_inner).get(title).copied()
    }

    /// A time that cannot be kept is only missing in the next announcement.
    fn keep(&self, title: &str, seconds: f64) -> Option<()> {
        let mut all = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(title.to_owned(), seconds);
        fs::create_dir_all(self.file.parent()?).ok()?;
        fs::write(&self.file, serde_json::to_vec_pretty(&*all).ok()?).ok()
    }
}

impl Step {
    /// Shows a detail, for example the last line that a tool printed. Only terminals show it.
    pub fn detail(&self, detail: &str) {
        if let Some(spinner) = &self.spinner {
            spinner.set_message(detail.trim().to_owned());
        }
    }

    /// Ends the step well and returns how long it took.
    pub fn done(mut self) -> Duration {
        self.finished = true;
        let took = self.started.elapsed();
        if let Some(last_times) = &self.last_times {
            let _kept = last_times.keep(&self.title, took.as_secs_f64());
        }
        self.close('✓');
        took
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_a_step_took_is_known_the_next_time() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("local/last-times.json");
        assert_eq!(LastTimes::read(&file).of("Baking"), None);

        LastTimes::read(&file).keep("Baking", 12.5).unwrap();

        assert_eq!(LastTimes::read(&file).of("Baking"), Some(12.5));
    }

    #[test]
    fn a_damaged_file_is_as_good_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("last-times.json");
        fs::write(&file, "{").unwrap();

        assert_eq!(LastTimes::read(&file).of("Baking"), None);
    }
}
