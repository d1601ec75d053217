//! What the valuation tests apply for and look at.

use std::{
    collections::HashMap,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use aws_sdk_dynamodb::types::AttributeValue;
use base64::{Engine, engine::general_purpose::STANDARD};
use local_stack::{
    Invocation, StackDescription,
    execution::{Execution, task_token},
};
use reqwest::StatusCode;
use serde_json::{Value, json};
use standardwebhooks::{HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP, Webhook};
use token_store::{
    CallbackKey, DynamoDbTokenStore, Rendezvous, StepFunctionsTaskCallbacks, TaskToken, WaitingTask,
    testing::waiting_task,
};

use crate::eventually::{DEADLINE, eventually};

/// A deployed stack and the clients to use it.
pub(crate) struct Office {
    pub(crate) stack: StackDescription,
    pub(crate) sfn: aws_sdk_sfn::Client,
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    secrets: aws_sdk_secretsmanager::Client,
}

impl Office {
    /// The office that all tests share.
    pub(crate) async fn shared() -> Result<Self> {
        Ok(Self::of(StackDescription::of_this_test_run()?).await)
    }

    pub(crate) async fn of(stack: StackDescription) -> Self {
        let config = stack.sdk_config().await;
        Self {
            sfn: aws_sdk_sfn::Client::new(&config),
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
            secrets: aws_sdk_secretsmanager::Client::new(&config),
            stack,
        }
    }

    /// Applies for a loan on a house of this name, which says how the valuation service behaves.
    pub(crate) async fn apply(&self, house: &str) -> Result<String> {
        let machine = self.stack.output("LoanProcessorStateMachineArn")?;
        let property = json!({ "nameOrNumber": house, "postcode": "PO1 1CE" });
        let input = json!({ "applicationReference": "app-ref", "property": property });
        Execution::start(&self.sfn, machine, &input).await
    }

    /// Waits for the end of an application.
    pub(crate) async fn end(&self, execution: &str) -> Result<Execution> {
        Execution::end(&self.sfn, execution, DEADLINE).await
    }

    /// Applies and waits for the end.
    pub(crate) async fn run(&self, house: &str) -> Result<Execution> {
        self.end(&self.apply(house).await?).await
    }

    /// The reference that an execution waits or has waited under, once the requester says that it is registered.
    pub(crate) async fn reference(&self, execution: &str) -> Result<String> {
        let find = async || self.reference_so_far(execution);
        eventually(&format!("{execution} has a reference"), find).await
    }

    /// The reference of an execution, if it has one by now.
    pub(crate) fn reference_so_far(&self, execution: &str) -> Result<Option<String>> {
        let log = self.stack.log("ValuationRequesterFunctionName")?;
        let registered = log.iter().find(|line| line.field("execution") == execution);
        let key = registered.and_then(|line| line.field("callback_key").as_str());
        Ok(key.and_then(|key| key.strip_prefix("valuation#")).map(str::to_owned))
    }

    /// The HTTP answers to the webhooks about a reference, in order, once there are `count`.
    pub(crate) async fn answers(&self, reference: &str, count: usize) -> Result<Vec<(u64, String)>> {
        let find = async || {
            let answers = self.answers_so_far(reference)?;
            Ok((answers.len() >= count).then_some(answers))
        };
        eventually(&format!("{count} webhooks about {reference} are answered"), find).await
    }

    /// The HTTP answers to the webhooks about a reference until now: status code and word.
    pub(crate) fn answers_so_far(&self, reference: &str) -> Result<Vec<(u64, String)>> {
        let log = self.stack.log("ValuationServiceFunctionName")?;
        let about = log.iter().filter(|line| line.field("valuation_reference") == reference);
        Ok(about
            .filter_map(|line| {
                Some((
                    line.field("status").as_u64()?,
                    line.field("answer").as_str().unwrap_or_default().to_owned(),
                ))
            })
            .collect())
    }

    /// The item of a reference.
    pub(crate) async fn item(&self, reference: &str) -> Result<Option<Item>> {
        let found = self
            .dynamodb
            .get_item()
            .table_name(self.stack.output("TaskTokensTableName")?)
            .key("callback_key", AttributeValue::S(format!("valuation#{reference}")))
            .consistent_read(true)
            .send()
            .await?;
        Ok(found.item.map(Item))
    }

    /// The delivery that is recorded for a reference, once there is one.
    pub(crate) async fn delivery(&self, reference: &str) -> Result<String> {
        let find = async || Ok(self.item(reference).await?.and_then(|item| item.text("delivery")));
        eventually(&format!("the delivery of {reference} is recorded"), find).await
    }

    /// Sends a valuation to the webhook, once, signed with the current key.
    pub(crate) async fn call_back(&self, reference: &str, value: u32) -> Result<StatusCode> {
        let body = json!({ "valuationReference": reference, "propertyValue": value }).to_string();
        let seconds = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?;
        let key = Webhook::new(self.signing_keys().await?["current"].as_str().context("no key")?)?;
        let answer = reqwest::Client::new()
            .post(self.stack.public_url("valuation-callback"))
            .header(HEADER_WEBHOOK_ID, "msg_of_a_test")
            .header(HEADER_WEBHOOK_TIMESTAMP, seconds)
            .header(HEADER_WEBHOOK_SIGNATURE, key.sign("msg_of_a_test", seconds, body.as_bytes())?)
            .body(body)
            .send()
            .await?;
        Ok(answer.status())
    }

    /// Makes the current key the previous one and puts a new one in its place.
    pub(crate) async fn rotate_the_key(&self) -> Result<()> {
        let previous = self.signing_keys().await?["current"].take();
        let secret = json!({ "current": STANDARD.encode([7; 48]), "previous": previous });
        let secret_arn = self.stack.output("ValuationSigningSecretArn")?;
        self.secrets
            .put_secret_value()
            .secret_id(secret_arn)
            .secret_string(secret.to_string())
            .send()
            .await?;
        Ok(())
    }

    async fn signing_keys(&self) -> Result<Value> {
        let secret_arn = self.stack.output("ValuationSigningSecretArn")?;
        let secret = self.secrets.get_secret_value().secret_id(secret_arn).send().await?;
        Ok(serde_json::from_str(&secret.secret_string.context("the secret is empty")?)?)
    }

    /// Lets an execution wait under a reference, by the token that it has handed out.
    pub(crate) async fn wait_for(&self, reference: &str, execution: &str) -> Result<()> {
        let token = TaskToken::new(task_token(&self.sfn, execution, DEADLINE).await?)?;
        let task = WaitingTask { execution: execution.to_owned(), ..waiting_task(token) };
        let store = DynamoDbTokenStore::new(self.dynamodb.clone(), self.stack.output("TaskTokensTableName")?);
        let callbacks = StepFunctionsTaskCallbacks::new(self.sfn.clone());
        let key = CallbackKey::new("valuation", reference)?;
        Rendezvous::new(store, callbacks).register(&key, task).await?;
        Ok(())
    }

    /// Runs the reconciler, as its schedule does.
    pub(crate) async fn reconcile(&self) -> Result<()> {
        let function = "CallbackReconcilerFunctionName";
        self.stack.invoke(function, &json!({}), Invocation::RequestResponse).await?;
        Ok(())
    }

    /// The item of a reference that nothing has been delivered for.
    pub(crate) async fn waiting_item(&self, reference: &str) -> Result<Item> {
        self.item(reference).await?.with_context(|| format!("{reference} has no item"))
    }
}

/// An item of the table, as it is stored.
pub(crate) struct Item(HashMap<String, AttributeValue>);

impl Item {
    pub(crate) fn has(&self, attribute: &str) -> bool {
        self.0.contains_key(attribute)
    }

    pub(crate) fn text(&self, attribute: &str) -> Option<String> {
        self.0.get(attribute)?.as_s().ok().cloned()
    }
}
