//! The contract of a token store, on the DynamoDB of the local stack at `LOCAL_STACK_ENDPOINT`.

#![expect(clippy::unwrap_used, reason = "all of this is test code")]

mod contract;

use std::{env, time::Duration};

use aws_sdk_dynamodb::{
    Client,
    config::{BehaviorVersion, Credentials, Region},
    types::{
        AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
        ProjectionType, ScalarAttributeType, TableStatus,
    },
};
use contract::contract;
use token_store::DynamoDbTokenStore;

const TABLE: &str = "token-store-contract";

contract!(emulated(), ignore = "needs the local stack: cargo xtask test");

async fn emulated() -> DynamoDbTokenStore {
    let endpoint = env::var("LOCAL_STACK_ENDPOINT").expect("LOCAL_STACK_ENDPOINT names the local stack");
    let configuration = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "local stack"))
        .endpoint_url(endpoint)
        .build();
    let client = Client::from_conf(configuration);
    create_table(&client).await;
    DynamoDbTokenStore::new(client, TABLE)
}

/// Creates the table as a template would, unless another test has.
async fn create_table(client: &Client) {
    let text = |name| attribute(name, ScalarAttributeType::S);
    let created = client
        .create_table()
        .table_name(TABLE)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(text("callback_key"))
        .attribute_definitions(text("pending"))
        .attribute_definitions(attribute("pending_since", ScalarAttributeType::N))
        .key_schema(key("callback_key", KeyType::Hash))
        .global_secondary_indexes(
            GlobalSecondaryIndex::builder()
                .index_name(DynamoDbTokenStore::PENDING_INDEX)
                .key_schema(key("pending", KeyType::Hash))
                .key_schema(key("pending_since", KeyType::Range))
                .projection(
                    Projection::builder()
                        .projection_type(ProjectionType::Include)
                        .set_non_key_attributes(Some(
                            DynamoDbTokenStore::PENDING_PROJECTION.map(str::to_owned).to_vec(),
                        ))
                        .build(),
                )
                .build()
                .unwrap(),
        )
        .send()
        .await;
    if let Err(error) = created {
        let error = error.into_service_error();
        assert!(error.is_resource_in_use_exception(), "{error:?}");
    }
    while !is_active(client).await {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn is_active(client: &Client) -> bool {
    let table = client.describe_table().table_name(TABLE).send().await.unwrap().table;
    table.and_then(|table| table.table_status) == Some(TableStatus::Active)
}

fn attribute(name: &str, kind: ScalarAttributeType) -> AttributeDefinition {
    AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().unwrap()
}

fn key(name: &str, kind: KeyType) -> KeySchemaElement {
    KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap()
}
