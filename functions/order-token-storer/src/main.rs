//! `order-token-storer`: keeps the order records true and the task tokens registered, from what the order processor says.

mod event;
mod handler;
mod places;

use std::time::SystemTime;

use function_runtime::{callbacks::rendezvous, environment::required, run, sdk_config, telemetry};
use orders::{DynamoDbOrderBook, EventBridgeBus};

use crate::{event::OrderEvent, handler::OrderTokenStorer, places::DynamoDbPlaces};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let sdk = sdk_config().await;
    let dynamodb = aws_sdk_dynamodb::Client::new(&sdk);
    let event_bus = required::<String>("EVENT_BUS_NAME")?;
    let storer = OrderTokenStorer {
        book: DynamoDbOrderBook::new(dynamodb.clone(), required::<String>("ORDERS_TABLE")?),
        places: DynamoDbPlaces { client: dynamodb.clone(), table: required("ORDER_COUNTING_TABLE")? },
        bus: EventBridgeBus::new(aws_sdk_eventbridge::Client::new(&sdk), event_bus),
        rendezvous: rendezvous(&sdk)?,
    };

    run(async |event: OrderEvent| handler::handle(&storer, event, SystemTime::now()).await).await
}
