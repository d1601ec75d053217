//! Fifty at once. They load the machine so much that `cargo xtask test` runs them alone.

use std::collections::BTreeSet;

use anyhow::Result;
use futures_util::future::try_join_all;
use serde_json::json;

use crate::{
    cafe::{ADA, Cafe, EVA, new_id},
    eventually::eventually,
    kitchen::{Kitchen, pizza},
};

#[tokio::test]
async fn of_fifty_executions_of_each_machine_every_one_ends_with_its_own_order() -> Result<()> {
    let kitchen = Kitchen::shared().await?;

    let polling = (0..50).map(|number| {
        kitchen.polling(json!({ "order": format!("polled pizza {number}"), "bakeTime": 1, "waitTime": 2 }))
    });
    let callback = (0..50).map(|number| {
        kitchen.callback(json!({ "order": format!("awaited pizza {number}"), "bakeTime": "1" }))
    });
    let (polling, callback) = tokio::try_join!(try_join_all(polling), try_join_all(callback))?;

    for (number, (polling, callback)) in polling.iter().zip(&callback).enumerate() {
        assert_eq!(polling.output, pizza(&format!("polled pizza {number}")), "{:?}", polling.cause);
        assert_eq!(callback.output, pizza(&format!("awaited pizza {number}")), "{:?}", callback.cause);
    }
    Ok(())
}

#[tokio::test]
async fn of_fifty_orders_at_once_twenty_are_taken_and_twenty_more_when_those_are_made() -> Result<()> {
    let cafe = Cafe::own("order-rush", &[]).await?;
    cafe.open().await?;

    let first = rush(&cafe, 50).await?;
    assert_eq!((first.taken.len(), first.refused), (20, 30));
    assert_eq!(cafe.places().await?.len(), 20);
    try_join_all(first.taken.iter().map(|id| cafe.put(id, "cancel", EVA))).await?;
    for id in &first.taken {
        cafe.end(&cafe.execution_of(id)?).await?;
    }
    assert_eq!(cafe.places().await?.len(), 0);
    let second = rush(&cafe, 25).await?;

    assert_eq!((second.taken.len(), second.refused), (20, 5));
    Ok(())
}

struct Rush {
    taken: Vec<String>,
    refused: usize,
}

/// Asks for orders at once, and waits until each is taken or refused for want of a place.
async fn rush(cafe: &Cafe, orders: usize) -> Result<Rush> {
    let ids: Vec<_> = (0..orders).map(|_| new_id()).collect();
    try_join_all(ids.iter().map(|id| cafe.create(id, ADA))).await?;

    let mut rush = Rush { taken: Vec::new(), refused: 0 };
    for id in ids {
        let decided = async || {
            let record = cafe.record(&id).await?;
            Ok((record["state"] != "REQUESTED").then_some(record))
        };
        let record = eventually(&format!("order {id} is decided"), decided).await?;
        if record["state"] == "CREATED" {
            rush.taken.push(id);
        } else {
            assert_eq!(record["reason"], "No capacity");
            rush.refused += 1;
        }
    }
    Ok(rush)
}

#[tokio::test]
async fn fifty_orders_at_once_get_the_numbers_from_one_to_fifty() -> Result<()> {
    let cafe = Cafe::own("order-numbers", &["ShopCapacity=50"]).await?;
    cafe.open().await?;
    let ids: Vec<_> = (0..50).map(|_| new_id()).collect();

    try_join_all(ids.iter().map(|id| cafe.order_latte(id))).await?;

    let records = try_join_all(ids.iter().map(|id| cafe.record_in(id, "WAITING_COMPLETION"))).await?;
    let numbers: BTreeSet<_> = records.iter().filter_map(|record| record["orderNumber"].as_u64()).collect();
    assert_eq!(numbers, (1..=50).collect());
    Ok(())
}
