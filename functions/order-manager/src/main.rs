//! `order-manager`: HTTP for the shop's backend, the customer's and the barista's side of an order.

mod answer;
mod body;
mod caller;
mod delivery;
mod failure;
mod handler;
mod menu;
mod refused;
mod route;

use std::{convert::Infallible, time::SystemTime};

use aws_lambda_events::event::lambda_function_urls::{LambdaFunctionUrlRequest, LambdaFunctionUrlResponse};
use function_runtime::{
    callbacks::rendezvous, environment::required, http::Request, run, sdk_config, telemetry,
};
use orders::{DynamoDbOrderBook, EventBridgeBus};

use crate::{handler::OrderManager, menu::DynamoDbMenu};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let sdk = sdk_config().await;
    let dynamodb = aws_sdk_dynamodb::Client::new(&sdk);
    let event_bus = required::<String>("EVENT_BUS_NAME")?;
    let manager = OrderManager {
        book: DynamoDbOrderBook::new(dynamodb.clone(), required::<String>("ORDERS_TABLE")?),
        menu: DynamoDbMenu { client: dynamodb.clone(), table: required("SHOP_CONFIG_TABLE")? },
        bus: EventBridgeBus::new(aws_sdk_eventbridge::Client::new(&sdk), event_bus),
        rendezvous: rendezvous(&sdk)?,
    };

    run(async |event: LambdaFunctionUrlRequest| {
        let answer = manager.handle(&Request::from(event), SystemTime::now()).await;
        Ok::<_, Infallible>(LambdaFunctionUrlResponse::from(answer))
    })
    .await
}
