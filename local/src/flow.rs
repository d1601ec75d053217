//! How the runs of an AppFlow flow go, for tests.

use anyhow::Result;
use serde::Serialize;

use crate::StackDescription;

/// How the next run of a flow goes. The default is how runs usually go.
#[derive(Debug, Clone, Default, Serialize)]
pub struct RunBehaviour {
    /// How often the end of the run is reported as an event; once when it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<u32>,
    /// How long the run takes, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold_seconds: Option<f64>,
    /// How long `StartFlow` takes to answer, while the run goes on, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer_after_seconds: Option<f64>,
    /// The error with which `StartFlow` refuses to run anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refuse: Option<&'static str>,
}

impl StackDescription {
    /// Lets the next run of the stack's flow go in this way.
    ///
    /// # Errors
    ///
    /// When the emulator does not answer.
    pub async fn let_next_run(&self, behaviour: &RunBehaviour) -> Result<()> {
        #[derive(Serialize)]
        struct OfFlow<'a> {
            flow: &'a str,
            #[serde(flatten)]
            behaviour: &'a RunBehaviour,
        }

        let of_flow = OfFlow { flow: self.output("ExampleFlowName")?, behaviour };
        let url = format!("{}/_local/appflow", self.endpoint);
        reqwest::Client::new().post(url).json(&of_flow).send().await?.error_for_status()?;
        Ok(())
    }
    /// Lets the runs of the stack's flow go as they usually do, whatever was said of those to come.
    ///
    /// # Errors
    ///
    /// When the emulator does not answer.
    pub async fn let_runs_go_as_usual(&self) -> Result<()> {
        let flow = self.output("ExampleFlowName")?;
        let url = format!("{}/_local/appflow?flow={flow}", self.endpoint);
        reqwest::Client::new().delete(url).send().await?.error_for_status()?;
        Ok(())
    }
}
