//! The files that the checks look at, read once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::Context;

/// Text by path; paths are relative to the repository's root and parted by `/`.
///
/// A folder exists when a file is in it, as in Git.
pub(super) type Files = BTreeMap<String, String>;

/// Reads what the checks look at in the repository at `root`. What is missing is left to the checks.
///
/// # Errors
///
/// When a file or folder cannot be read.
pub(super) fn read(root: &Path) -> anyhow::Result<Files> {
    let mut files = Files::new();
    for path in ["template.yaml", "README.md", "statemachines", "functions", "events"] {
        if root.join(path).exists() {
            read_below(root, path, &mut files)?;
        }
    }
    Ok(files)
}

/// The files below `folder` (`functions/pizza-baker`), with their paths in it.
pub(super) fn below<'a>(files: &'a Files, folder: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let prefix = format!("{folder}/");
    files.iter().filter_map(move |(path, text)| Some((path.strip_prefix(&prefix)?, text.as_str())))
}

/// The names of the folders in `folder`.
pub(super) fn folders<'a>(files: &'a Files, folder: &str) -> BTreeSet<&'a str> {
    below(files, folder).filter_map(|(path, _)| Some(path.split_once('/')?.0)).collect()
}

fn read_below(root: &Path, path: &str, files: &mut Files) -> anyhow::Result<()> {
    let full_path = root.join(path);
    let cannot_read = || format!("cannot read {}", full_path.display());

    if full_path.is_dir() {
        for entry in fs::read_dir(&full_path).with_context(cannot_read)? {
            let name = entry.with_context(cannot_read)?.file_name();
            read_below(root, &format!("{path}/{}", name.to_string_lossy()), files)?;
        }
    } else {
        let bytes = fs::read(&full_path).with_context(cannot_read)?;
        files.insert(path.to_owned(), String::from_utf8_lossy(&bytes).into_owned());
    }
    Ok(())
}
