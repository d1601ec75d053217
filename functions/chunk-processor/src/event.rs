//! The message that tells that objects are there.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

/// An event notification of S3, or the test message without records that S3 sends when the notification is set up.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct S3Event {
    #[serde(rename = "Records", default)]
    pub(crate) records: Vec<Record>,
}

/// One object.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Record {
    s3: S3,
}

#[derive(Debug, Deserialize, Serialize)]
struct S3 {
    bucket: Bucket,
    object: Object,
}

#[derive(Debug, Deserialize, Serialize)]
struct Bucket {
    name: String,
}

#[derive(Debug, Deserialize, Serialize)]
struct Object {
    key: String,
}

impl Record {
    /// The bucket's name.
    pub(crate) fn bucket(&self) -> &str {
        &self.s3.bucket.name
    }

    /// The object's key. In the event it is encoded as HTML forms are.
    pub(crate) fn key(&self) -> String {
        let spaces = self.s3.object.key.replace('+', " ");
        percent_decode_str(&spaces).decode_utf8().map_or_else(|_| spaces.clone(), Cow::into_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(encoded: &str) -> String {
        let object = Object { key: encoded.into() };
        Record { s3: S3 { bucket: Bucket { name: "bucket".into() }, object } }.key()
    }

    #[test]
    fn a_key_is_decoded() {
        assert_eq!(key("chunks/a%2Bb%40c+%281%29/0.0/%C3%A4.txt"), "chunks/a+b@c (1)/0.0/ä.txt");
        assert_eq!(key("chunks/plain.txt"), "chunks/plain.txt");
        assert_eq!(key("%FF"), "%FF");
    }
}
