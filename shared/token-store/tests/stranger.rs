//! The crate as a stranger gets it: packaged, unpacked elsewhere, and used by a fresh crate.
//!
//! The fresh crate leaves out the feature `aws`, so that the SDK is not compiled once more. The registry's crates that this
//! workspace has downloaded are enough: nothing here uses the network.

#![expect(clippy::unwrap_used, reason = "all of this is test code")]

use std::{env, fs, path::Path, process::Command};

use tempfile::TempDir;

const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// Runs cargo and returns what it printed.
fn cargo(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()))
        .args(arguments)
        .arg("--offline")
        .current_dir(folder)
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("RUSTFLAGS")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Packages the crate and unpacks it where no workspace is.
fn package() -> TempDir {
    let folder = TempDir::new().unwrap();
    let target = folder.path().join("target");
    let target = target.to_str().unwrap();
    cargo(Path::new(HERE), &["package", "--no-verify", "--allow-dirty", "--quiet", "--target-dir", target]);
    let name = concat!(env!("CARGO_PKG_NAME"), "-", env!("CARGO_PKG_VERSION"));
    let archive = Path::new(target).join(format!("package/{name}.crate"));
    let unpacked = Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(folder.path()).status();
    assert!(unpacked.unwrap().success());
    fs::rename(folder.path().join(name), folder.path().join("token-store")).unwrap();
    folder
}

#[test]
fn a_fresh_crate_builds_and_runs_with_the_packaged_crate() {
    let folder = package();
    let fresh = folder.path().join("fresh");
    fs::create_dir_all(fresh.join("src")).unwrap();
    let manifest = r#"
        [package]
        name = "fresh"
        edition = "2024"

        [dependencies]
        serde_json = "1"
        token-store = { path = "../token-store", default-features = false }
        tokio = { version = "1", features = ["macros", "rt"] }
    "#;
    fs::write(fresh.join("Cargo.toml"), manifest).unwrap();
    fs::copy(Path::new(HERE).join("../../Cargo.lock"), fresh.join("Cargo.lock")).unwrap();
    let example = fs::read_to_string(folder.path().join("token-store/examples/callback.rs")).unwrap();
    let says_so = example.replace("    Ok(())\n}", "    println!(\"the workflow goes on\");\n    Ok(())\n}");
    fs::write(fresh.join("src/main.rs"), says_so).unwrap();

    // Kept, so that the second run of this test compiles nothing but the crate.
    let target = concat!(env!("CARGO_TARGET_TMPDIR"), "/stranger");
    let said = cargo(&fresh, &["run", "--quiet", "--target-dir", target]);

    assert_eq!(said, "the workflow goes on\n");
}

#[test]
fn a_copy_of_the_folder_needs_no_workspace() {
    let folder = TempDir::new().unwrap();
    let copied = Command::new("cp").arg("-r").arg(HERE).arg(folder.path()).status();
    assert!(copied.unwrap().success());

    let told = cargo(&folder.path().join("token-store"), &["metadata", "--no-deps", "--format-version", "1"]);

    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["packages"][0]["name"], "token-store");
    assert_eq!(told["packages"][0]["rust_version"], env!("CARGO_PKG_RUST_VERSION"));
}

#[test]
fn the_package_holds_what_a_stranger_reads() {
    let folder = package();

    for file in ["README.md", "CHANGELOG.md", "examples/callback.rs", "src/lib.rs"] {
        assert!(folder.path().join("token-store").join(file).exists(), "{file}");
    }
}
