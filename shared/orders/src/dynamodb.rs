//! The records in DynamoDB.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_sdk_dynamodb::{
    Client,
    error::{BoxError, SdkError},
    types::AttributeValue::{self, L, M, N, S},
};

use crate::{
    Cursor, Drink, Entry, Order, OrderBook, OrderBookError, OrderId, OrderState, Page, Run, Written,
};

/// How long a record is kept after its last change. As long as Step Functions keeps the name of an execution, so that an
/// order id means one order all the time.
const KEPT_FOR: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// How many orders a page has at most.
const PAGE: i32 = 100;

type Item = HashMap<String, AttributeValue>;

/// An [`OrderBook`] in a DynamoDB table.
///
/// The table has the partition key `order_id` (string) and its TTL on `expires_at_epoch_seconds`. Orders of one state are
/// listed by the index [`DynamoDbOrderBook::STATE_INDEX`]: partition key `state` (string), sort key
/// `created_at_epoch_ms` (number), all attributes.
#[derive(Debug, Clone)]
pub struct DynamoDbOrderBook {
    client: Client,
    table: String,
}

impl DynamoDbOrderBook {
    /// Name of the index that lists the orders of a state.
    pub const STATE_INDEX: &str = "state";

    /// Uses the table named `table` through `client`.
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }
}

impl OrderBook for DynamoDbOrderBook {
    async fn get(&self, id: &OrderId) -> Result<Option<Entry>, OrderBookError> {
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("order_id", S(id.to_string()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| unavailable(error.into_service_error()))?;
        found.item.as_ref().map(read).transpose()
    }

    async fn put(
        &self,
        order: &Order,
        over: Option<&Entry>,
        now: SystemTime,
    ) -> Result<Written, OrderBookError> {
        let version = over.map(|entry| entry.version);
        let write = self.client.put_item().table_name(&self.table).set_item(Some(item(
            order,
            version.unwrap_or(0) + 1,
            now,
        )));
        let conditional = match version {
            None => write.condition_expression("attribute_not_exists(order_id)"),
            Some(version) => write
                .condition_expression("#version = :version")
                .expression_attribute_names("#version", "version")
                .expression_attribute_values(":version", N(version.to_string())),
        };
        match conditional.send().await.map_err(SdkError::into_service_error) {
            Ok(_) => Ok(Written::Stored),
            Err(error) if error.is_conditional_check_failed_exception() => Ok(Written::Overtaken),
            Err(error) => Err(unavailable(error)),
        }
    }

    async fn list(&self, state: OrderState, after: Option<&Cursor>) -> Result<Page, OrderBookError> {
        let start = after.map(|after| {
            HashMap::from([
                ("order_id".to_owned(), S(after.id.to_string())),
                ("state".to_owned(), S(state.to_string())),
                ("created_at_epoch_ms".to_owned(), N(after.created_at_epoch_ms.to_string())),
            ])
        });
        let listed = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(Self::STATE_INDEX)
            .key_condition_expression("#state = :state")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":state", S(state.to_string()))
            .set_exclusive_start_key(start)
            .limit(PAGE)
            .send()
            .await
            .map_err(|error| unavailable(error.into_service_error()))?;
        let entries: Vec<_> = listed.items().iter().map(read).collect::<Result<_, _>>()?;
        let next = listed
            .last_evaluated_key()
            .map(|key| {
                Ok::<_, OrderBookError>(Cursor {
                    created_at_epoch_ms: number(key, "created_at_epoch_ms")?,
                    id: id(key, "order_id")?,
                })
            })
            .transpose()?;
        Ok(Page { orders: entries.into_iter().map(|entry| entry.order).collect(), next })
    }
}

fn unavailable(error: impl Into<BoxError>) -> OrderBookError {
    OrderBookError::Unavailable { source: error.into() }
}

fn item(order: &Order, version: u64, now: SystemTime) -> Item {
    let expires_at = now.duration_since(UNIX_EPOCH).unwrap_or_default() + KEPT_FOR;
    let required = [
        ("order_id", S(order.id.to_string())),
        ("user_id", S(order.user_id.to_string())),
        ("state", S(order.state.to_string())),
        ("created_at_epoch_ms", N(order.created_at_epoch_ms.to_string())),
        ("updated_at_epoch_ms", N(order.updated_at_epoch_ms.to_string())),
        ("version", N(version.to_string())),
        ("expires_at_epoch_seconds", N(expires_at.as_secs().to_string())),
    ];
    let optional = [
        ("drink_order", order.drink.as_ref().map(drink_item)),
        ("order_number", order.number.map(|number| N(number.to_string()))),
        ("barista_user_id", order.barista.as_ref().map(|barista| S(barista.to_string()))),
        ("reason", order.reason.clone().map(S)),
        ("execution", order.run.as_ref().map(|run| S(run.execution.clone()))),
        ("started_at_epoch_ms", order.run.as_ref().map(|run| N(run.started_at_epoch_ms.to_string()))),
    ];
    let known = optional.into_iter().filter_map(|(name, value)| Some((name, value?)));
    required.into_iter().chain(known).map(|(name, value)| (name.to_owned(), value)).collect()
}

fn drink_item(drink: &Drink) -> AttributeValue {
    let mut attributes = HashMap::from([
        ("drink".to_owned(), S(drink.drink.clone())),
        ("modifiers".to_owned(), L(drink.modifiers.iter().cloned().map(S).collect())),
    ]);
    attributes.extend(drink.icon.clone().map(|icon| ("icon".to_owned(), S(icon))));
    M(attributes)
}

fn read(item: &Item) -> Result<Entry, OrderBookError> {
    let run = match text(item, "execution")? {
        Some(execution) => Some(Run {
            execution: execution.to_owned(),
            started_at_epoch_ms: number(item, "started_at_epoch_ms")?,
        }),
        None => None,
    };
    let state = text(item, "state")?.and_then(|state| state.parse().ok()).ok_or(malformed("state"))?;
    let order = Order {
        id: id(item, "order_id")?,
        user_id: id(item, "user_id")?,
        state,
        drink: item.get("drink_order").map(read_drink).transpose()?,
        number: item.contains_key("order_number").then(|| number(item, "order_number")).transpose()?,
        barista: item.contains_key("barista_user_id").then(|| id(item, "barista_user_id")).transpose()?,
        reason: text(item, "reason")?.map(str::to_owned),
        run,
        created_at_epoch_ms: number(item, "created_at_epoch_ms")?,
        updated_at_epoch_ms: number(item, "updated_at_epoch_ms")?,
    };
    Ok(Entry { order, version: number(item, "version")? })
}

fn read_drink(value: &AttributeValue) -> Result<Drink, OrderBookError> {
    let attribute = "drink_order";
    let item = value.as_m().map_err(|_| malformed(attribute))?;
    let Some(L(modifiers)) = item.get("modifiers") else { return Err(malformed(attribute)) };
    let modifier = |value: &AttributeValue| value.as_s().cloned().map_err(|_| malformed(attribute));
    Ok(Drink {
        drink: text(item, "drink")?.ok_or(malformed(attribute))?.to_owned(),
        modifiers: modifiers.iter().map(modifier).collect::<Result<_, _>>()?,
        icon: text(item, "icon")?.map(str::to_owned),
    })
}

fn text<'a>(item: &'a Item, attribute: &'static str) -> Result<Option<&'a str>, OrderBookError> {
    match item.get(attribute) {
        None => Ok(None),
        Some(S(text)) => Ok(Some(text)),
        Some(_) => Err(malformed(attribute)),
    }
}

fn id<T: std::str::FromStr>(item: &Item, attribute: &'static str) -> Result<T, OrderBookError> {
    text(item, attribute)?.and_then(|text| text.parse().ok()).ok_or(malformed(attribute))
}

fn number(item: &Item, attribute: &'static str) -> Result<u64, OrderBookError> {
    let number = item.get(attribute).and_then(|value| value.as_n().ok()?.parse().ok());
    number.ok_or(malformed(attribute))
}

fn malformed(attribute: &'static str) -> OrderBookError {
    OrderBookError::Malformed { attribute }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::{
        operation::{
            get_item::{GetItemError, GetItemOutput},
            put_item::{PutItemError, PutItemOutput},
            query::QueryOutput,
        },
        types::error::{ConditionalCheckFailedException, ProvisionedThroughputExceededException},
    };
    use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};

    use super::*;

    fn book(rule: &Rule) -> DynamoDbOrderBook {
        DynamoDbOrderBook::new(mock_client!(aws_sdk_dynamodb, RuleMode::MatchAny, [rule]), "orders")
    }

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_000)
    }

    fn bare() -> Order {
        Order::new("42".parse().unwrap(), "ada".parse().unwrap(), 1_000)
    }

    fn full() -> Order {
        Order {
            state: OrderState::Completed,
            drink: Some(Drink {
                drink: "Latte".into(),
                modifiers: vec!["Oat milk".into()],
                icon: Some("cup".into()),
            }),
            number: Some(7),
            barista: Some("eva".parse().unwrap()),
            reason: Some("why not".into()),
            run: Some(Run { execution: "arn".into(), started_at_epoch_ms: 900 }),
            ..bare()
        }
    }

    #[test]
    fn a_record_is_read_back_as_it_was_written() {
        for order in [bare(), full()] {
            let item = item(&order, 3, now());

            assert_eq!(read(&item).unwrap(), Entry { order, version: 3 });
            assert_eq!(item["expires_at_epoch_seconds"], N((1_000 + 90 * 86_400).to_string()));
        }
    }

    #[test]
    fn a_record_that_somebody_else_has_written_is_named_by_its_attribute() {
        let attributes =
            ["order_id", "user_id", "state", "created_at_epoch_ms", "version", "drink_order", "order_number"];
        for attribute in attributes {
            let mut item = item(&full(), 1, now());
            item.insert(attribute.to_owned(), AttributeValue::Bool(true));

            let error = read(&item).unwrap_err();

            assert_eq!(error.to_string(), format!("the order's attribute {attribute} cannot be read"));
        }
    }

    #[tokio::test]
    async fn a_record_is_read_consistently() {
        let rule = mock!(Client::get_item)
            .match_requests(|request| {
                request.table_name() == Some("orders")
                    && request.consistent_read() == Some(true)
                    && request.key().unwrap()["order_id"] == S("42".into())
            })
            .then_output(|| GetItemOutput::builder().set_item(Some(item(&full(), 2, now()))).build());

        let found = book(&rule).get(&"42".parse().unwrap()).await.unwrap();

        assert_eq!(found, Some(Entry { order: full(), version: 2 }));
    }

    #[tokio::test]
    async fn a_new_record_is_written_over_nothing() {
        let rule = mock!(Client::put_item)
            .match_requests(|request| {
                request.condition_expression() == Some("attribute_not_exists(order_id)")
                    && request.item().unwrap()["version"] == N("1".into())
            })
            .then_output(|| PutItemOutput::builder().build());

        assert_eq!(book(&rule).put(&bare(), None, now()).await.unwrap(), Written::Stored);
    }

    #[tokio::test]
    async fn a_changed_record_is_written_over_the_one_that_was_read() {
        let rule = mock!(Client::put_item)
            .match_requests(|request| {
                request.condition_expression() == Some("#version = :version")
                    && request.expression_attribute_names().unwrap()["#version"] == "version"
                    && request.expression_attribute_values().unwrap()[":version"] == N("2".into())
                    && request.item().unwrap()["version"] == N("3".into())
            })
            .then_output(|| PutItemOutput::builder().build());

        let over = Entry { order: bare(), version: 2 };

        assert_eq!(book(&rule).put(&full(), Some(&over), now()).await.unwrap(), Written::Stored);
    }

    #[tokio::test]
    async fn a_record_that_has_changed_meanwhile_stays() {
        let rule = mock!(Client::put_item).then_error(|| {
            PutItemError::ConditionalCheckFailedException(ConditionalCheckFailedException::builder().build())
        });

        assert_eq!(book(&rule).put(&bare(), None, now()).await.unwrap(), Written::Overtaken);
    }

    #[tokio::test]
    async fn a_page_says_where_the_next_one_begins() {
        let rule = mock!(Client::query)
            .match_requests(|request| {
                let start = request.exclusive_start_key().unwrap();
                request.index_name() == Some("state")
                    && request.expression_attribute_values().unwrap()[":state"] == S("COMPLETED".into())
                    && start["order_id"] == S("41".into())
                    && start["state"] == S("COMPLETED".into())
                    && start["created_at_epoch_ms"] == N("999".into())
            })
            .then_output(|| {
                let last = item(&full(), 1, now());
                QueryOutput::builder().items(last.clone()).set_last_evaluated_key(Some(last)).build()
            });
        let after = Cursor { created_at_epoch_ms: 999, id: "41".parse().unwrap() };

        let page = book(&rule).list(OrderState::Completed, Some(&after)).await.unwrap();

        let next = Cursor { created_at_epoch_ms: 1_000, id: "42".parse().unwrap() };
        assert_eq!(page, Page { orders: vec![full()], next: Some(next) });
    }

    #[tokio::test]
    async fn a_table_that_refuses_is_reported_with_its_cause() {
        let rule = mock!(Client::get_item).then_error(|| {
            GetItemError::ProvisionedThroughputExceededException(
                ProvisionedThroughputExceededException::builder().message("slow down").build(),
            )
        });

        let error = book(&rule).get(&"42".parse().unwrap()).await.unwrap_err();

        let OrderBookError::Unavailable { source } = error else { panic!("unavailable") };
        assert_eq!(source.to_string(), "ProvisionedThroughputExceededException: slow down");
    }
}
