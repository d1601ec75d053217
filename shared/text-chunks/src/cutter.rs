//! Where chunks end.
//!
//! A text of `length` bytes is seen as windows of the chunk size, and one chunk ends in each of them: after the last line
//! that ends in the window; after the last white space, where a line is longer than that; between two characters, where
//! even a word is. So the number of chunks follows from the length alone, before anything is read, no chunk is
//! empty or twice as large as the chunk size, and the same text is always cut in the same places.

use std::{mem, str::FromStr};

/// How large chunks are, in bytes: at least [`ChunkSize::SMALLEST`], so that a word that is cut is never one of those
/// whose occurrences are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkSize(usize);

/// A chunk size that is no number, or too small or large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a chunk size is a number of bytes from {} to {}", ChunkSize::SMALLEST, ChunkSize::LARGEST)]
pub struct InvalidChunkSize;

impl ChunkSize {
    /// The smallest chunk size.
    pub const SMALLEST: usize = 128;
    /// The largest chunk size: several chunks are held in memory at once.
    pub const LARGEST: usize = 8 * 1024 * 1024;

    /// Checks a chunk size.
    ///
    /// # Errors
    ///
    /// [`InvalidChunkSize`] outside of [`ChunkSize::SMALLEST`] to [`ChunkSize::LARGEST`].
    pub fn new(bytes: usize) -> Result<Self, InvalidChunkSize> {
        (Self::SMALLEST..=Self::LARGEST).contains(&bytes).then_some(Self(bytes)).ok_or(InvalidChunkSize)
    }

    /// Into how many chunks a text of this length is cut. An empty text is one empty chunk.
    #[must_use]
    pub fn chunks_in(self, length: u64) -> u64 {
        length.div_ceil(self.0 as u64).max(1)
    }

    /// The size.
    #[must_use]
    pub fn bytes(self) -> usize {
        self.0
    }
}

impl FromStr for ChunkSize {
    type Err = InvalidChunkSize;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map_err(|_| InvalidChunkSize).and_then(Self::new)
    }
}

/// Cuts a text that comes piece by piece. Holds less than two chunks.
///
/// ```
/// use text_chunks::{ChunkSize, Cutter};
///
/// let size = ChunkSize::new(128)?;
/// let text = "one line of a text\n".repeat(20);
/// let mut cutter = Cutter::new(size);
/// let mut chunks = vec![];
/// for mut piece in text.as_bytes().chunks(50) {
///     while let Some(chunk) = cutter.next_chunk(&mut piece) {
///         chunks.push(chunk);
///     }
/// }
/// chunks.push(cutter.finish());
///
/// assert_eq!(chunks.len() as u64, size.chunks_in(text.len() as u64));
/// assert!(chunks.iter().all(|chunk| chunk.ends_with(b"text\n")));
/// # Ok::<(), text_chunks::InvalidChunkSize>(())
/// ```
#[derive(Debug)]
pub struct Cutter {
    size: usize,
    /// What comes after the last cut.
    held: Vec<u8>,
    /// Where in `held` the window begins in which the next cut is made.
    window: usize,
}

impl Cutter {
    /// A cutter at the beginning of a text.
    #[must_use]
    pub fn new(size: ChunkSize) -> Self {
        Self { size: size.0, held: Vec::new(), window: 0 }
    }

    /// Takes from `text`, which continues what was taken before, and returns the next chunk when it is complete. `None`
    /// when all of `text` is taken.
    pub fn next_chunk(&mut self, text: &mut &[u8]) -> Option<Vec<u8>> {
        let missing = self.window + self.size - self.held.len();
        let (now, later) = text.split_at(missing.min(text.len()));
        if self.held.capacity() == 0 {
            self.held.reserve_exact(self.size);
        }
        self.held.extend_from_slice(now);
        *text = later;
        // Only a text that goes on is cut: its last chunk ends where it ends.
        let follows = later.first()?;
        Some(self.cut(*follows))
    }

    /// The last chunk: what is left.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.held
    }

    fn cut(&mut self, follows: u8) -> Vec<u8> {
        let end = self.held.len();
        let at = self.window + boundary(&self.held[self.window..], follows);
        let mut rest = Vec::with_capacity(end - at + self.size);
        rest.extend_from_slice(&self.held[at..]);
        self.window = rest.len();
        self.held.truncate(at);
        mem::replace(&mut self.held, rest)
    }
}

/// Where to cut a full window that `follows` continues. Never at its beginning.
fn boundary(window: &[u8], follows: u8) -> usize {
    let after = |at: usize| at + 1;
    let newline = window.iter().rposition(|byte| *byte == b'\n');
    newline
        .or_else(|| window.iter().rposition(u8::is_ascii_whitespace))
        .map_or_else(|| before_character(window, follows), after)
}

/// The last place in the window or at its end where a character of UTF-8 begins, if one begins near there.
fn before_character(window: &[u8], follows: u8) -> usize {
    let continues = |byte: u8| byte & 0b1100_0000 == 0b1000_0000;
    if !continues(follows) {
        return window.len();
    }
    let last = window.len().saturating_sub(4)..window.len();
    last.rev().find(|at| *at > 0 && !continues(window[*at])).unwrap_or(window.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: ChunkSize = ChunkSize(128);

    fn cut(text: &[u8], piece: usize) -> Vec<Vec<u8>> {
        let mut cutter = Cutter::new(SIZE);
        let mut chunks = vec![];
        for mut piece in text.chunks(piece) {
            while let Some(chunk) = cutter.next_chunk(&mut piece) {
                chunks.push(chunk);
            }
        }
        chunks.push(cutter.finish());
        chunks
    }

    /// Texts of all the shapes that decide where a cut is made, of all lengths around the windows' ends.
    fn texts() -> impl Iterator<Item = String> {
        let shapes =
            ["a line of text\n", "words in one line ", "oneword", "é", "🏠", "日本語\n", "\n", "x 日本語"];
        let lengths = [0, 1, 2, 7, 8, 9, 15, 16, 17, 18, 19, 31, 32, 33, 64, 127, 128, 129, 200];
        shapes.into_iter().flat_map(move |shape| lengths.map(|times| shape.repeat(times)))
    }

    #[test]
    fn a_text_is_cut_into_as_many_chunks_as_its_length_says_and_nothing_is_lost() {
        for text in texts() {
            let chunks = cut(text.as_bytes(), 50);

            assert_eq!(chunks.concat(), text.as_bytes());
            assert_eq!(chunks.len() as u64, SIZE.chunks_in(text.len() as u64));
            assert!(text.is_empty() || chunks.iter().all(|chunk| (1..2 * SIZE.0).contains(&chunk.len())));
        }
    }

    #[test]
    fn where_it_is_cut_does_not_depend_on_the_pieces_it_comes_in() {
        for text in texts() {
            let whole = cut(text.as_bytes(), usize::MAX);

            assert!([1, 7, 127, 128, 129, 300].iter().all(|piece| cut(text.as_bytes(), *piece) == whole));
        }
    }

    #[test]
    fn every_chunk_of_a_text_is_text() {
        for text in texts() {
            assert!(
                cut(text.as_bytes(), 50).iter().all(|chunk| std::str::from_utf8(chunk).is_ok()),
                "{text}"
            );
        }
    }

    #[test]
    fn a_chunk_ends_with_a_line_else_after_white_space_else_between_characters() {
        let lines = cut("a line of text\n".repeat(40).as_bytes(), 50);
        let words = cut("words in one line ".repeat(40).as_bytes(), 50);
        let word = cut("🏠x".repeat(100).as_bytes(), 50);

        let all_but_last = |chunks: &[Vec<u8>], end: &[u8]| {
            chunks[..chunks.len() - 1].iter().all(|chunk| chunk.ends_with(end))
        };
        assert!(all_but_last(&lines, b"\n"));
        assert!(all_but_last(&words, b" "));
        // 128 bytes are 25 houses with an x and three bytes of the next house.
        assert_eq!(word[0], "🏠x".repeat(25).as_bytes());
    }

    #[test]
    fn a_text_that_is_not_utf_8_is_cut_all_the_same_and_one_chunk_shows_it() {
        let continued = vec![0x80; 300];
        let broken = [&b"line\n".repeat(50)[..], b"\xe2\x82", &b"\nline".repeat(50)[..]].concat();

        for text in [continued, broken] {
            let chunks = cut(&text, 50);

            assert_eq!(chunks.concat(), text);
            assert!(chunks.iter().any(|chunk| std::str::from_utf8(chunk).is_err()));
        }
    }

    #[test]
    fn a_chunk_size_is_neither_tiny_nor_huge() {
        assert_eq!("1048576".parse(), Ok(ChunkSize(1_048_576)));
        for text in ["127", "8388609", "1 MB", "-1", ""] {
            assert_eq!(text.parse::<ChunkSize>(), Err(InvalidChunkSize), "{text}");
        }
    }
}
