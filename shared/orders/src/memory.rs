//! Records in memory, for tests.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use crate::{Cursor, Entry, Order, OrderBook, OrderBookError, OrderId, OrderState, Page, Written};

/// How many orders a page has.
const PAGE: usize = 100;

/// An [`OrderBook`] in memory.
#[derive(Debug, Default)]
pub struct MemoryOrderBook {
    entries: Mutex<BTreeMap<OrderId, Entry>>,
}

impl OrderBook for MemoryOrderBook {
    async fn get(&self, id: &OrderId) -> Result<Option<Entry>, OrderBookError> {
        Ok(self.entries.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned())
    }

    async fn put(
        &self,
        order: &Order,
        over: Option<&Entry>,
        _: SystemTime,
    ) -> Result<Written, OrderBookError> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let version = over.map(|entry| entry.version);
        if entries.get(&order.id).map(|entry| entry.version) != version {
            return Ok(Written::Overtaken);
        }
        let entry = Entry { order: order.clone(), version: version.unwrap_or(0) + 1 };
        entries.insert(order.id.clone(), entry);
        Ok(Written::Stored)
    }

    async fn list(&self, state: OrderState, after: Option<&Cursor>) -> Result<Page, OrderBookError> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let mut orders: Vec<_> =
            entries.values().map(|entry| entry.order.clone()).filter(|order| order.state == state).collect();
        orders.sort_by_key(place);
        if let Some(after) = after {
            orders.retain(|order| place(order) > (after.created_at_epoch_ms, after.id.clone()));
        }
        let more = orders.len() > PAGE;
        orders.truncate(PAGE);
        let next = orders
            .last()
            .filter(|_| more)
            .map(|last| Cursor { created_at_epoch_ms: last.created_at_epoch_ms, id: last.id.clone() });
        Ok(Page { orders, next })
    }
}

fn place(order: &Order) -> (u64, OrderId) {
    (order.created_at_epoch_ms, order.id.clone())
}
