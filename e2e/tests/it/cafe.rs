//! What the order tests order, make and look at.

use std::{
    collections::{BTreeMap, HashMap},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, ensure};
use aws_sdk_dynamodb::{
    operation::scan::ScanError,
    types::{
        AttributeValue::{self, Bool, L, M, S},
        PointInTimeRecoveryStatus,
    },
};
use aws_sdk_eventbridge::types::{PutEventsRequestEntry, Target};
use local_stack::{
    FunctionRequest, StackDescription,
    execution::{Execution, states_entered},
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::{
    eventually::{DEADLINE, eventually},
    turn::{Own, own},
};

/// How long the shared stack waits for a silent customer or barista.
pub(crate) const SILENCE: Duration = Duration::from_secs(20);
/// How long it waits for one who beats.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A deployed stack and the clients to use it.
pub(crate) struct Cafe {
    pub(crate) stack: StackDescription,
    pub(crate) sfn: aws_sdk_sfn::Client,
    dynamodb: aws_sdk_dynamodb::Client,
    events: aws_sdk_eventbridge::Client,
    sqs: aws_sdk_sqs::Client,
}

/// For whom a request is sent.
#[derive(Clone, Copy)]
pub(crate) enum As<'a> {
    Customer(&'a str),
    Barista(&'a str),
}

pub(crate) const ADA: As = As::Customer("ada");
pub(crate) const EVA: As = As::Barista("eva");

impl Cafe {
    /// The cafe that all tests share, open.
    pub(crate) async fn shared() -> Result<Self> {
        static OPEN: OnceCell<()> = OnceCell::const_new();

        let cafe = Self::of(StackDescription::of_this_test_run()?).await;
        OPEN.get_or_try_init(|| cafe.open()).await?;
        Ok(cafe)
    }

    /// A cafe of one's own, not yet open.
    pub(crate) async fn own(name: &str, parameters: &[&str]) -> Result<Own<Self>> {
        own(name, parameters, Self::of).await
    }

    pub(crate) async fn of(stack: StackDescription) -> Self {
        let config = stack.sdk_config().await;
        Self {
            sfn: aws_sdk_sfn::Client::new(&config),
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
            events: aws_sdk_eventbridge::Client::new(&config),
            sqs: aws_sdk_sqs::Client::new(&config),
            stack,
        }
    }

    /// Whether a table, by its output, can be restored to any time of the last weeks.
    pub(crate) async fn is_restorable(&self, table: &str) -> Result<bool> {
        let backups = self.dynamodb.describe_continuous_backups().table_name(self.stack.output(table)?);
        let backups = backups.send().await?.continuous_backups_description.context("no backups")?;
        let recovery = backups.point_in_time_recovery_description.context("no recovery")?;
        Ok(recovery.point_in_time_recovery_status == Some(PointInTimeRecoveryStatus::Enabled))
    }

    /// How many items a table has, by its output; nothing if there is no such table.
    pub(crate) async fn count(&self, table: &str) -> Result<Option<i32>> {
        match self.dynamodb.scan().table_name(self.stack.output(table)?).send().await {
            Ok(scanned) => Ok(Some(scanned.count)),
            Err(error)
                if error.as_service_error().is_some_and(ScanError::is_resource_not_found_exception) =>
            {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Opens the shop, with its menu.
    pub(crate) async fn open(&self) -> Result<()> {
        self.put_config(&[("PK", text("config")), ("storeOpen", Bool(true))]).await?;
        let drink = |name, modifiers| map(&[("drink", text(name)), ("modifiers", L(modifiers))]);
        let milk = map(&[("Name", text("Milk")), ("Options", L(vec![text("Oat milk")]))]);
        let menu = vec![drink("Cappuccino", vec![]), drink("Latte", vec![milk])];
        self.put_config(&[("PK", text("menu")), ("value", L(menu))]).await
    }

    /// Closes the shop; the menu stays.
    pub(crate) async fn close(&self) -> Result<()> {
        self.put_config(&[("PK", text("config")), ("storeOpen", Bool(false))]).await
    }

    async fn put_config(&self, fields: &[(&str, AttributeValue)]) -> Result<()> {
        let item = fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let table = self.stack.output("ShopConfigTableName")?;
        self.dynamodb.put_item().table_name(table).set_item(Some(item)).send().await?;
        Ok(())
    }

    /// Sends a request and returns status code and JSON.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        who: As<'_>,
        body: Value,
    ) -> Result<(u16, Value)> {
        let header = match who {
            As::Customer(user) => ("x-user-id", user),
            As::Barista(barista) => ("x-barista-id", barista),
        };
        let request =
            FunctionRequest { function: "order-manager", method, path, headers: &[header], body: &body };
        self.stack.call(&request).await
    }

    /// Asks for an order.
    pub(crate) async fn create(&self, id: &str, who: As<'_>) -> Result<(u16, String)> {
        word(self.send(Method::POST, "/orders", who, json!({ "orderId": id })).await?)
    }

    /// Submits a drink.
    pub(crate) async fn submit(&self, id: &str, who: As<'_>, drink: &str) -> Result<(u16, String)> {
        let body = json!({ "drink": drink, "modifiers": [] });
        word(self.send(Method::PUT, &format!("/orders/{id}/submit"), who, body).await?)
    }

    /// Completes, cancels or keeps alive.
    pub(crate) async fn put(&self, id: &str, action: &str, who: As<'_>) -> Result<(u16, String)> {
        word(self.send(Method::PUT, &format!("/orders/{id}/{action}"), who, Value::Null).await?)
    }

    /// The record, as a barista sees it.
    pub(crate) async fn record(&self, id: &str) -> Result<Value> {
        Ok(self.send(Method::GET, &format!("/orders/{id}"), EVA, Value::Null).await?.1)
    }

    /// The record, once it has come to a state.
    pub(crate) async fn record_in(&self, id: &str, state: &str) -> Result<Value> {
        let find = async || {
            let record = self.record(id).await?;
            Ok((record["state"] == state).then_some(record))
        };
        eventually(&format!("order {id} is {state}"), find).await
    }

    /// Starts the workflow by hand, under no name of its own.
    pub(crate) async fn start(&self, id: &str, user: &str) -> Result<String> {
        let input = json!({ "detail": { "orderId": id, "userId": user } });
        Execution::start(&self.sfn, self.machine()?, &input).await
    }

    /// Orders, and returns the execution once it waits for the customer.
    pub(crate) async fn order(&self, id: &str) -> Result<String> {
        ensure!(self.create(id, ADA).await? == answer(202, "requested"));
        self.wait_registered("order-submission", id).await?;
        self.execution_of(id)
    }

    /// Orders and submits, and returns the execution once it waits for a barista.
    pub(crate) async fn order_latte(&self, id: &str) -> Result<String> {
        let execution = self.order(id).await?;
        ensure!(self.submit(id, ADA, "Latte").await? == answer(200, "delivered"));
        self.wait_registered("order-completion", id).await?;
        Ok(execution)
    }

    /// The execution that an order by HTTP gets.
    pub(crate) fn execution_of(&self, id: &str) -> Result<String> {
        Ok(format!("{}:{id}", self.machine()?.replace(":stateMachine:", ":execution:")))
    }

    pub(crate) fn machine(&self) -> Result<&str> {
        self.stack.output("OrderProcessorStateMachineArn")
    }

    pub(crate) async fn end(&self, execution: &str) -> Result<Execution> {
        Execution::end(&self.sfn, execution, DEADLINE).await
    }

    /// The states that an execution went through.
    pub(crate) async fn states(&self, execution: &str) -> Result<Vec<String>> {
        Ok(states_entered(&self.sfn, execution).await?.into_iter().map(|(state, _)| state).collect())
    }

    /// Waits until a wait is registered, and returns its token.
    pub(crate) async fn wait_registered(&self, kind: &str, id: &str) -> Result<String> {
        let find = async || Ok(self.wait(kind, id).await?.get("task_token").cloned());
        eventually(&format!("{kind}#{id} is registered"), find).await
    }

    /// The texts of what is stored under a callback key.
    pub(crate) async fn wait(&self, kind: &str, id: &str) -> Result<BTreeMap<String, String>> {
        let key = S(format!("{kind}#{id}"));
        let item = self.item("TaskTokensTableName", "callback_key", key).await?;
        Ok(item.into_iter().filter_map(|(name, value)| Some((name, value.as_s().ok()?.clone()))).collect())
    }

    /// Who has a place.
    pub(crate) async fn places(&self) -> Result<Vec<String>> {
        let counting = self.item("OrderCountingTableName", "PK", text("orderID")).await?;
        let places = counting.get("places").and_then(|places| places.as_m().ok());
        Ok(places.into_iter().flat_map(HashMap::keys).cloned().collect())
    }

    /// Gives a place to an execution that is not, since this time.
    pub(crate) async fn take_place(&self, execution_name: &str, since: &str) -> Result<()> {
        self.dynamodb
            .put_item()
            .table_name(self.stack.output("OrderCountingTableName")?)
            .item("PK", text("orderID"))
            .item("IDvalue", AttributeValue::N("0".into()))
            .item("places", map(&[(execution_name, map(&[("since", text(since))]))]))
            .send()
            .await?;
        Ok(())
    }

    async fn item(
        &self,
        table: &str,
        key: &str,
        value: AttributeValue,
    ) -> Result<HashMap<String, AttributeValue>> {
        let table = self.stack.output(table)?;
        let found = self.dynamodb.get_item().table_name(table).key(key, value).consistent_read(true);
        Ok(found.send().await?.item.unwrap_or_default())
    }

    /// Puts an event on the bus.
    pub(crate) async fn put_event(&self, detail_type: &str, detail: &Value) -> Result<()> {
        let entry = PutEventsRequestEntry::builder()
            .event_bus_name(self.stack.output("OrderEventBusName")?)
            .source("awsserverlessda.serverlesspresso")
            .detail_type(detail_type)
            .detail(detail.to_string())
            .build();
        let put = self.events.put_events().entries(entry).send().await?;
        ensure!(put.failed_entry_count == 0, "{put:?}");
        Ok(())
    }

    /// Listens to the bus from now on.
    pub(crate) async fn listen(&self, name: &str) -> Result<Listener<'_>> {
        let queue = self.sqs.create_queue().queue_name(name).send().await?;
        let queue = queue.queue_url.context("a queue without URL")?;
        let attributes = self
            .sqs
            .get_queue_attributes()
            .queue_url(&queue)
            .attribute_names(aws_sdk_sqs::types::QueueAttributeName::QueueArn)
            .send()
            .await?;
        let arn = attributes.attributes.unwrap_or_default().into_values().next().context("no ARN")?;
        let bus = self.stack.output("OrderEventBusName")?;
        let pattern = json!({ "source": ["awsserverlessda.serverlesspresso"] }).to_string();
        self.events.put_rule().name(name).event_bus_name(bus).event_pattern(pattern).send().await?;
        let target = Target::builder().id("1").arn(arn).build()?;
        self.events.put_targets().rule(name).event_bus_name(bus).targets(target).send().await?;
        Ok(Listener { cafe: self, queue })
    }
}

/// Hears everything on the bus.
pub(crate) struct Listener<'a> {
    cafe: &'a Cafe,
    queue: String,
}

impl Listener<'_> {
    /// What was heard about an order, once there is an event of this type.
    pub(crate) async fn hear(&self, id: &str, last: &str) -> Result<Vec<Value>> {
        let heard = std::sync::Mutex::new(Vec::new());
        let listen = async || {
            let received =
                self.cafe.sqs.receive_message().queue_url(&self.queue).max_number_of_messages(10).send();
            for message in received.await?.messages.unwrap_or_default() {
                let event: Value = serde_json::from_str(&message.body.unwrap_or_default())?;
                let receipt = message.receipt_handle.context("a message without receipt")?;
                self.cafe.sqs.delete_message().queue_url(&self.queue).receipt_handle(receipt).send().await?;
                if event["detail"]["orderId"] == id {
                    heard.lock().expect("nobody panics").push(event);
                }
            }
            let heard = heard.lock().expect("nobody panics");
            Ok(heard.iter().any(|event| event["detail-type"] == last).then(|| heard.clone()))
        };
        eventually(&format!("{last} of order {id}"), listen).await
    }
}

/// An order id that nobody has used.
pub(crate) fn new_id() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_nanos();
    format!("{now}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// An answer's status code and word.
pub(crate) fn answer(code: u16, status: &str) -> (u16, String) {
    (code, status.to_owned())
}

fn word((code, body): (u16, Value)) -> Result<(u16, String)> {
    Ok((code, body["status"].as_str().with_context(|| format!("no status: {body}"))?.to_owned()))
}

fn text(text: &str) -> AttributeValue {
    S(text.to_owned())
}

fn map(fields: &[(&str, AttributeValue)]) -> AttributeValue {
    M(fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
}
