//! What `sam build` makes for AWS, seen without the minutes that it takes.

use std::{fs, os::unix::fs::PermissionsExt};

use anyhow::{Context, Result};
use local_stack::Workspace;
use serde_json::Value;

use crate::shell::{run, shell};

/// Stands in for `cargo`: writes down how it is called to build, and leaves an empty program where SAM looks for it.
const RECORDING_CARGO: &str = r#"#!/bin/bash
if [ "$1 $2" = "lambda build" ]; then
  echo "$PWD $*" >> "$RECORD"
  env | grep -E '^(CARGO_PROFILE|CARGO_LAMBDA|RUSTFLAGS)' >> "$RECORD.env"
  while [ $# -gt 0 ]; do [ "$1" = --bin ] && name=$2; shift; done
  mkdir -p "$CARGO_TARGET_DIR/lambda/$name" && touch "$CARGO_TARGET_DIR/lambda/$name/bootstrap"
else
  exec "$REAL_CARGO" "$@"
fi
"#;

#[test]
fn sam_build_asks_for_every_function_by_the_release_profile() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let cargo = folder.path().join("cargo");
    fs::write(&cargo, RECORDING_CARGO)?;
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755))?;
    let record = folder.path().join("calls");
    let mut build = shell(&format!(
        "REAL_CARGO=$(rustup which cargo 2> /dev/null || command -v cargo)\nexport REAL_CARGO \
         PATH={0}:$PATH\nsam build --build-dir {0}/build",
        folder.path().display()
    ));
    build.env("RECORD", &record).env("CARGO_TARGET_DIR", folder.path().join("target"));

    run(build)?;

    let calls = fs::read_to_string(&record)?;
    let functions = fs::read_dir(Workspace::this().root().join("functions"))?.count();
    assert_eq!(calls.lines().count(), functions, "{calls}");
    for call in calls.lines() {
        let (place, arguments) = call.split_once(" lambda build ").context("a call of cargo lambda")?;
        let function = place.rsplit('/').next().context("a folder")?;
        assert_eq!(arguments, format!("--release --bin {function}"));
    }
    let settings = fs::read_to_string(record.with_extension("env")).unwrap_or_default();
    assert_eq!(settings, "", "nothing overrides the profile");
    Ok(())
}

#[test]
fn the_release_profile_is_small_and_linked_as_one() -> Result<()> {
    // `--unit-graph` says how each crate would be compiled, without compiling it.
    let mut cargo =
        shell("cd functions/pizza-status && cargo build --release --unit-graph -Z unstable-options");
    cargo.env("RUSTC_BOOTSTRAP", "1");

    let graph: Value = serde_json::from_str(&run(cargo)?)?;

    let units = graph["units"].as_array().context("no units")?;
    let root = graph["roots"][0].as_u64().and_then(|root| usize::try_from(root).ok()).context("no root")?;
    let profile = &units[root]["profile"];
    assert_eq!(units[root]["target"]["name"], "pizza-status");
    let got = ["opt_level", "lto", "codegen_units", "debug_assertions", "panic"].map(|name| &profile[name]);
    assert_eq!(serde_json::to_value(got)?, serde_json::json!(["s", "fat", 1, false, "unwind"]));
    assert_eq!(profile["strip"]["resolved"]["Named"], "symbols", "{}", profile["strip"]);
    Ok(())
}

#[test]
fn zig_is_found_where_cargo_lambda_is_installed() -> Result<()> {
    let system = run(shell("cargo lambda system"))?;

    assert!(system.contains("zig"), "{system}");
    assert!(!system.to_lowercase().contains("install"), "{system}");
    Ok(())
}
