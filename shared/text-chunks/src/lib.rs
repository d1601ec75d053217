//! Cuts a text into chunks as it streams by, counts what is in each, and adds the counts up again.
//!
//! The counts of the chunks, added up in their order, are the counts of the whole text, wherever it was cut: the numbers
//! that `wc -l -w -c` prints, and how often each word occurs.
//!
//! - [`cutter`]: where chunks end, and how many there will be.
//! - [`counts`]: what is in a text.
//! - [`name`]: under which keys chunks and their counts are kept.

pub mod counts;
pub mod cutter;
pub mod name;

pub use counts::{TextCounts, TooManyWords, WordCount};
pub use cutter::{ChunkSize, Cutter, InvalidChunkSize};
pub use name::ChunkName;
