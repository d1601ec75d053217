//! Where things are.

use std::path::{Path, PathBuf};

/// The folders of this repository.
#[derive(Debug, Clone)]
pub struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// This repository, wherever it was cloned to.
    #[must_use]
    pub fn this() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the repository");
        Self { root: root.to_owned() }
    }

    /// The root of the repository.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Pinned tools, one folder each.
    #[must_use]
    pub fn tools(&self) -> PathBuf {
        self.root.join("target/tools")
    }

    /// Builds, logs and state of the local stack.
    #[must_use]
    pub fn local(&self) -> PathBuf {
        self.root.join("target/local")
    }
}
