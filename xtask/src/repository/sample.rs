//! The sample repository that every check is shown on, whole and broken.

use std::path::Path;

use super::files::{self, Files};

/// A small repository without violations, which a test breaks in one place.
#[derive(Default)]
pub(super) struct Sample(Files);

/// The repository in `testdata/sample`.
pub(super) fn sample() -> Sample {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/repository/testdata/sample");
    Sample(files::read(&root).expect("the sample is part of the repository"))
}

impl Sample {
    /// Replaces a text that must stand exactly once in the file.
    pub(super) fn replace(mut self, path: &str, from: &str, to: &str) -> Self {
        let text = self.0.get_mut(path).unwrap_or_else(|| panic!("the sample has no {path}"));
        let found = text.matches(from).count();
        assert_eq!(found, 1, "{path} should have `{from}` once, not {found} times");
        *text = text.replace(from, to);
        self
    }

    pub(super) fn add(mut self, path: &str, text: &str) -> Self {
        assert!(self.0.insert(path.to_owned(), text.to_owned()).is_none(), "the sample already has {path}");
        self
    }

    pub(super) fn remove(mut self, path: &str) -> Self {
        assert!(self.0.remove(path).is_some(), "the sample has no {path}");
        self
    }

    pub(super) fn rename(mut self, from: &str, to: &str) -> Self {
        let text = self.0.remove(from).unwrap_or_else(|| panic!("the sample has no {from}"));
        self.add(to, &text)
    }

    /// The lines that `cargo xtask check` prints.
    pub(super) fn violations(&self) -> Vec<String> {
        super::violations(&self.0).iter().map(ToString::to_string).collect()
    }
}
