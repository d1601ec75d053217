//! What the functions logged and called, and faults for tests.

use std::{collections::BTreeMap, fs, io, path::Path};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{StackDescription, Workspace, sam::local_credentials};

/// One line of a function's JSON log.
#[derive(Debug, Clone, PartialEq)]
pub struct LogLine(Value);

impl LogLine {
    /// A field of the line, for example `message`; `null` when the line has no such field.
    #[must_use]
    pub fn field(&self, name: &str) -> &Value {
        &self.0[name]
    }

    /// The message.
    #[must_use]
    pub fn message(&self) -> &str {
        self.field("message").as_str().unwrap_or_default()
    }

    /// The id of the invocation that wrote the line.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.0["span"]["requestId"].as_str()
    }
}

/// Reads the JSON lines of a function's log; what the runtime or a panic wrote in between is left out.
pub(crate) fn read_log(folder: &Path, function: &str) -> Result<Vec<LogLine>> {
    let path = folder.join(format!("{function}.log"));
    match fs::read_to_string(&path) {
        Ok(text) => {
            Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).map(LogLine).collect())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Something that goes wrong the next times that a function calls an AWS operation.
#[derive(Debug, Clone, Serialize)]
pub struct Fault {
    /// Name of the function.
    pub function: String,
    /// The operation as IAM names it, for example `states:SendTaskSuccess`.
    pub operation: &'static str,
    /// Before or after the operation is carried out.
    pub when: When,
    /// What goes wrong.
    pub action: Action,
    /// How often.
    pub times: u32,
}

/// When a fault strikes.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// Before the operation is carried out.
    Before,
    /// After it was carried out and before the function hears of it.
    After,
}

/// What a fault does.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Kills the function's process.
    Kill,
    /// Answers with an error of this name.
    #[serde(untagged)]
    Error {
        /// The service's error code.
        error: &'static str,
    },
}

/// A fault and how often it struck.
#[derive(Debug, Clone, Deserialize)]
pub struct ArmedFault {
    /// Name of the function.
    pub function: String,
    /// How often it struck.
    pub fired: u32,
}

/// A line of a file that `cargo lambda watch` reads: the value in quotes that it does not hold.
fn env_file_line(name: &str, value: &str) -> Result<String> {
    let quote = ['"', '\'', '`'].into_iter().find(|quote| !value.contains(*quote));
    let quote = quote.with_context(|| format!("{name} holds every kind of quote: {value}"))?;
    Ok(format!("{name}={quote}{value}{quote}\n"))
}

impl StackDescription {
    /// Arms a fault.
    ///
    /// # Errors
    ///
    /// When the emulator does not answer or does not understand the fault.
    pub async fn arm(&self, fault: &Fault) -> Result<()> {
        let url = format!("{}/_local/faults", self.endpoint);
        reqwest::Client::new().post(url).json(fault).send().await?.error_for_status()?;
        Ok(())
    }

    /// Disarms all faults of a function.
    ///
    /// # Errors
    ///
    /// When the emulator does not answer.
    pub async fn disarm(&self, function: &str) -> Result<()> {
        let url = format!("{}/_local/faults?function={function}", self.endpoint);
        reqwest::Client::new().delete(url).send().await?.error_for_status()?;
        Ok(())
    }

    /// All faults that were armed.
    ///
    /// # Errors
    ///
    /// When the emulator does not answer.
    pub async fn faults(&self) -> Result<Vec<ArmedFault>> {
        let url = format!("{}/_local/faults", self.endpoint);
        Ok(reqwest::get(url).await?.error_for_status()?.json().await?)
    }

    /// The AWS operations that a function has called so far, as IAM names them, oldest first.
    ///
    /// # Errors
    ///
    /// When the emulator does not answer.
    pub async fn requests(&self, function: &str) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Request {
            operation: String,
        }

        let url = format!("{}/_local/requests?function={function}", self.endpoint);
        let requests: Vec<Request> = reqwest::get(url).await?.error_for_status()?.json().await?;
        Ok(requests.into_iter().map(|request| request.operation).collect())
    }

    /// Writes the environment of all functions to `target/local/functions.env`, for `cargo lambda watch --env-file`. Each
    /// function reads its own variables, and none reaches AWS.
    ///
    /// # Errors
    ///
    /// When the emulator does not answer or the file cannot be written.
    pub async fn save_function_environment(&self, workspace: &Workspace) -> Result<()> {
        let mut variables = self.function_environment().await?;
        variables.extend(local_credentials().map(|(name, value)| (name.to_owned(), value.to_owned())));
        variables.insert("AWS_ENDPOINT_URL".to_owned(), self.endpoint.clone());
        let lines =
            variables.iter().map(|(name, value)| env_file_line(name, value)).collect::<Result<String>>()?;
        fs::write(workspace.local().join("functions.env"), lines)?;
        Ok(())
    }

    /// The environment variables of all functions together, with the values that the deployment gave them.
    ///
    /// # Errors
    ///
    /// When the emulator does not answer.
    pub async fn function_environment(&self) -> Result<BTreeMap<String, String>> {
        let url = format!("{}/_local/environment", self.endpoint);
        Ok(reqwest::get(url).await?.error_for_status()?.json().await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_an_env_file_are_quoted() {
        assert_eq!(env_file_line("BUS", "a b").unwrap(), "BUS=\"a b\"\n");
        assert_eq!(env_file_line("MENU", r#"{"a": 1}"#).unwrap(), "MENU='{\"a\": 1}'\n");
        assert!(env_file_line("ALL", "\"'`").is_err());
    }
}
