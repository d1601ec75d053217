//! The contract of a token store, on the one in memory.

#![expect(clippy::unwrap_used, reason = "all of this is test code")]

mod contract;

use contract::contract;
use token_store::MemoryTokenStore;

contract!(async { MemoryTokenStore::default() });
