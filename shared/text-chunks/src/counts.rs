//! What is in a text.

use std::{cmp::Reverse, collections::HashMap};

use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};

/// The longest word whose occurrences are counted, in bytes. What is longer is no word that anybody looks for.
const LONGEST_WORD: usize = 64;
/// How many different words are told apart at most: they fit into 256 MB.
const MOST_WORDS: usize = 2_000_000;

/// The counts of a text, or of a part of one.
///
/// Lines, words and bytes are those of `wc -l -w -c` for a text in UTF-8: a line is what ends with a newline, a word
/// what stands between white space. Occurrences are counted of words in lower case and without the punctuation around
/// them.
///
/// ```
/// use text_chunks::TextCounts;
///
/// let mut counts = TextCounts::of("The cat and the dog. ");
/// counts.append(TextCounts::of("The end\n"))?;
///
/// assert_eq!((counts.lines, counts.words, counts.bytes), (1, 7, 29));
/// assert_eq!(counts.most_frequent(1)[0].word, "the");
/// # Ok::<(), text_chunks::TooManyWords>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextCounts {
    /// How many newlines.
    pub lines: u64,
    /// How many words.
    pub words: u64,
    /// How many bytes.
    pub bytes: u64,
    /// Whether the text begins within a word, for all that one can see of it.
    begins_in_word: bool,
    /// Whether it ends within one.
    ends_in_word: bool,
    /// The word at the very beginning, as it is counted in `occurrences`: it may be the end of another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first_word: Option<String>,
    occurrences: HashMap<String, u64, RandomState>,
}

/// A word and how often it occurs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WordCount {
    /// The word, in lower case.
    pub word: String,
    /// How often it occurs.
    pub count: u64,
}

/// The text has more different words than are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text has more than {MOST_WORDS} different words")]
pub struct TooManyWords;

impl TextCounts {
    /// Counts what is in `text`.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut counts = Self {
            lines: text.bytes().filter(|byte| *byte == b'\n').count() as u64,
            bytes: text.len() as u64,
            begins_in_word: text.starts_with(is_word),
            ends_in_word: text.ends_with(is_word),
            ..Self::default()
        };
        let mut buffer = String::new();
        for word in text.split(|c| !is_word(c)).filter(|word| !word.is_empty()) {
            counts.words += 1;
            let listed = listed(word, &mut buffer);
            if let Some(listed) = listed {
                match counts.occurrences.get_mut(listed) {
                    Some(count) => *count += 1,
                    None => drop(counts.occurrences.insert(listed.to_owned(), 1)),
                }
            }
            if counts.words == 1 && counts.begins_in_word {
                counts.first_word = listed.map(str::to_owned);
            }
        }
        counts
    }

    /// Adds the counts of the text that follows. A word that was cut in two is one word again.
    ///
    /// # Errors
    ///
    /// [`TooManyWords`] when the two together have more than 2,000,000 different words.
    pub fn append(&mut self, mut next: Self) -> Result<(), TooManyWords> {
        if next.bytes == 0 {
            return Ok(());
        }
        if self.bytes == 0 {
            *self = next;
            return Ok(());
        }
        self.lines += next.lines;
        self.words += next.words;
        self.bytes += next.bytes;
        if self.ends_in_word && next.begins_in_word {
            self.words -= 1;
            // A text is cut within a word only where the word is long, so its other half is not listed.
            if let Some(half) = next.first_word.take() {
                next.remove(&half);
            }
        }
        self.ends_in_word = next.ends_in_word;
        for (word, count) in next.occurrences {
            *self.occurrences.entry(word).or_default() += count;
        }
        if self.occurrences.len() > MOST_WORDS { Err(TooManyWords) } else { Ok(()) }
    }

    /// The most frequent words, and those that come first in the alphabet where several are as frequent.
    #[must_use]
    pub fn most_frequent(&self, most: usize) -> Vec<WordCount> {
        let mut words: Vec<(&String, u64)> =
            self.occurrences.iter().map(|(word, count)| (word, *count)).collect();
        let order = |(word, count): &(&String, u64)| (Reverse(*count), (*word).clone());
        if words.len() > most {
            words.select_nth_unstable_by(most, |a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
            words.truncate(most);
        }
        words.sort_by_key(order);
        words.into_iter().map(|(word, count)| WordCount { word: word.clone(), count }).collect()
    }

    fn remove(&mut self, word: &str) {
        if let Some(count) = self.occurrences.get_mut(word) {
            *count -= 1;
            if *count == 0 {
                self.occurrences.remove(word);
            }
        }
    }
}

/// Whether a character belongs to a word, as GNU `wc` sees it in a UTF-8 locale.
fn is_word(c: char) -> bool {
    if c.is_ascii() {
        return !matches!(c, '\t'..='\r' | ' ');
    }
    match c {
        '\u{85}' => true,
        '\u{2060}' => false,
        _ => !c.is_whitespace(),
    }
}

/// The word as its occurrences are counted, if they are.
fn listed<'a>(word: &str, buffer: &'a mut String) -> Option<&'a str> {
    let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
    if word.len() > LONGEST_WORD || bare.is_empty() {
        return None;
    }
    buffer.clear();
    if bare.is_ascii() {
        buffer.push_str(bare);
        buffer.make_ascii_lowercase();
    } else {
        buffer.push_str(&bare.to_lowercase());
    }
    Some(buffer)
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        process::{Command, Stdio},
    };

    use super::*;
    use crate::{ChunkSize, Cutter};

    const POEM: &str = "Über allen Gipfeln\nIst Ruh,\nIn allen Wipfeln\nSpürest du\nKaum einen Hauch;\n";

    fn frequent(counts: &TextCounts) -> Vec<(String, u64)> {
        counts.most_frequent(1_000).into_iter().map(|WordCount { word, count }| (word, count)).collect()
    }

    /// Lines, words and bytes as `wc` prints them.
    fn wc(text: &str) -> (u64, u64, u64) {
        let mut wc = Command::new("wc")
            .args(["-l", "-w", "-c"])
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        wc.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let printed = String::from_utf8(wc.wait_with_output().unwrap().stdout).unwrap();
        let numbers: Vec<u64> = printed.split_whitespace().map(|number| number.parse().unwrap()).collect();
        (numbers[0], numbers[1], numbers[2])
    }

    /// A text of `length` pieces, drawn by a small generator: the same for the same seed.
    fn drawn(mut seed: u64, length: usize) -> String {
        const PIECES: [&str; 14] = [
            "the",
            "The",
            "cat",
            "é",
            "日本語",
            "\n",
            " ",
            "\t",
            "\u{a0}",
            "\u{3000}",
            "-",
            "🏠",
            "word.",
            " and ",
        ];
        let mut draw = move || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            PIECES[(seed >> 33) as usize % PIECES.len()]
        };
        (0..length).map(|_| draw()).collect()
    }

    fn by_chunks(text: &str) -> TextCounts {
        let mut cutter = Cutter::new(ChunkSize::new(128).unwrap());
        let mut whole = TextCounts::default();
        let mut rest = text.as_bytes();
        let mut add = |chunk: Vec<u8>| {
            let counts = TextCounts::of(std::str::from_utf8(&chunk).unwrap());
            let kept = serde_json::to_string(&counts).unwrap();
            whole.append(serde_json::from_str(&kept).unwrap()).unwrap();
        };
        while let Some(chunk) = cutter.next_chunk(&mut rest) {
            add(chunk);
        }
        add(cutter.finish());
        whole
    }

    #[test]
    fn lines_words_and_bytes_are_those_of_wc() {
        let drawn = (0..40).map(|seed| drawn(seed, 400));
        let edges = ["", "\n", "x", "x\n", " x ", "no newline", "a\u{a0}b\u{2060}c\u{3000}d\u{202f}e", POEM];
        for text in edges.map(str::to_owned).into_iter().chain(drawn) {
            let counts = TextCounts::of(&text);

            assert_eq!((counts.lines, counts.words, counts.bytes), wc(&text), "{text:?}");
        }
    }

    #[test]
    fn the_counts_of_the_chunks_are_those_of_the_whole() {
        let long_word = format!("the cat {}{} the cat\n", "-日本".repeat(300), "the");
        let drawn = (0..200).map(|seed| drawn(seed, 600));
        let edges = ["", POEM, &long_word, &"x".repeat(129), &"x ".repeat(64), &"the".repeat(200)];
        for text in edges.map(str::to_owned).into_iter().chain(drawn) {
            let (whole, added) = (TextCounts::of(&text), by_chunks(&text));

            assert_eq!((added.lines, added.words, added.bytes), (whole.lines, whole.words, whole.bytes));
            assert_eq!(frequent(&added), frequent(&whole), "{text:?}");
        }
    }

    #[test]
    fn a_word_counts_without_its_case_and_the_punctuation_around_it() {
        let counts = TextCounts::of("The cat, the CAT (and \"Über\") — don't. über");

        let found = frequent(&counts);

        let expected = [("cat", 2), ("the", 2), ("über", 2), ("and", 1), ("don't", 1)];
        assert_eq!(found, expected.map(|(word, count)| (word.to_owned(), count)));
        assert_eq!(counts.words, 9);
        assert_eq!(counts.most_frequent(2).len(), 2);
        assert_eq!(counts.most_frequent(1)[0], WordCount { word: "cat".into(), count: 2 });
    }

    #[test]
    fn words_of_more_than_64_bytes_are_counted_and_not_listed() {
        let counts = TextCounts::of(&format!("{} {}", "x".repeat(64), "y".repeat(65)));

        assert_eq!(counts.words, 2);
        assert_eq!(frequent(&counts), [("x".repeat(64), 1)]);
    }

    #[test]
    fn more_than_two_million_different_words_are_refused() {
        let words = |from: u32, to: u32| {
            let text: Vec<String> = (from..to).map(|number| number.to_string()).collect();
            TextCounts::of(&format!("{} ", text.join(" ")))
        };
        let mut counts = words(0, 1_000_000);

        let most = counts.append(words(1_000_000, 2_000_000));
        let more = counts.append(words(2_000_000, 2_000_001));

        assert_eq!((most, more), (Ok(()), Err(TooManyWords)));
    }
}
