//! No task token and no signing key is in anything that functions have written or answered, or in an execution's failure.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::run::{Run, records};

/// What every task token begins with, and how many characters of Base64, of either alphabet, it has at least.
const TOKEN_START: &str = "AQC";
const TOKEN_LENGTH: usize = 200;

/// A text that was captured, and where.
struct Captured {
    place: String,
    text: String,
}

/// All that the functions of a stack have logged and answered: results, errors, HTTP answers.
fn written_by_functions(folder: &Path) -> Result<Vec<Captured>> {
    let mut captured = Vec::new();
    for file in fs::read_dir(folder)? {
        let path = file?.path();
        if path.extension().is_some_and(|kind| kind == "log" || kind == "answers") {
            let text = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
            captured.push(Captured { place: path.display().to_string(), text });
        }
    }
    Ok(captured)
}

/// The keys in a secret that was stored: the values of its JSON, or all of it.
fn keys_in(secret: &str) -> Vec<String> {
    match serde_json::from_str::<Value>(secret) {
        Ok(Value::Object(fields)) => {
            let texts = fields.values().filter_map(Value::as_str);
            texts.filter(|key| !key.is_empty()).map(str::to_owned).collect()
        }
        _ => vec![secret.to_owned()],
    }
}

/// Whether the text has anything that looks like a task token.
fn has_task_token(text: &str) -> bool {
    text.match_indices(TOKEN_START).any(|(at, _)| {
        let base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_=".contains(byte);
        text.as_bytes()[at..].iter().take_while(|byte| base64(byte)).count() >= TOKEN_LENGTH
    })
}

#[tokio::test]
async fn no_log_no_answer_and_no_error_holds_a_task_token_or_a_signing_key() -> Result<()> {
    let mut captured = Vec::new();
    let (mut tokens, mut keys) = (BTreeSet::new(), BTreeSet::new());
    for Run { folder, record } in records().await? {
        captured.extend(written_by_functions(&folder)?);
        captured.extend(record.failures.iter().map(|failure| Captured {
            place: format!("a failure in {}", folder.display()),
            text: failure.to_string(),
        }));
        for secret in record.secrets {
            if has_task_token(&secret) {
                tokens.insert(secret);
            } else {
                keys.extend(keys_in(&secret));
            }
        }
    }

    // Without these the test would find nothing because it does not know what to look for.
    assert!(!tokens.is_empty() && !keys.is_empty(), "the run has made no task token or no key");
    for kind in ["log", "answers"] {
        let webhook = format!(".{kind}");
        let is_webhooks =
            |place: &str| place.contains("-ValuationCallbackFunction-") && place.ends_with(&webhook);
        captured
            .iter()
            .find(|captured| is_webhooks(&captured.place))
            .with_context(|| format!("no {webhook}"))?;
    }

    let leaks: BTreeSet<_> = captured
        .iter()
        .filter(|Captured { text, .. }| {
            has_task_token(text) || keys.iter().any(|key| text.contains(key.as_str()))
        })
        .map(|captured| &captured.place)
        .collect();
    assert!(leaks.is_empty(), "secrets are in {leaks:#?}");
    println!("{} texts hold none of {} task tokens and {} keys", captured.len(), tokens.len(), keys.len());
    Ok(())
}
