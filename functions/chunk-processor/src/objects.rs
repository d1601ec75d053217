//! Chunks and their counts, as objects.

use std::error::Error;

use aws_sdk_s3::{Client, error::SdkError, primitives::ByteStream};

/// Reads and writes objects.
pub(crate) trait Objects: Send + Sync {
    /// Reads one; nothing when there is none.
    fn get(
        &self,
        bucket: &str,
        key: &str,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, ObjectsError>> + Send;

    /// Writes one.
    fn put(
        &self,
        bucket: &str,
        key: &str,
        content: Vec<u8>,
    ) -> impl Future<Output = Result<(), ObjectsError>> + Send;
}

/// S3 did not do what was asked. The event comes again.
#[derive(Debug, thiserror::Error)]
#[error("S3 did not do what was asked")]
pub(crate) struct ObjectsError(#[source] pub(crate) Box<dyn Error + Send + Sync>);

/// [`Objects`] on S3.
pub(crate) struct S3Objects {
    pub(crate) client: Client,
}

impl Objects for S3Objects {
    async fn get(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, ObjectsError> {
        let object = match self.client.get_object().bucket(bucket).key(key).send().await {
            Ok(object) => object,
            Err(error) => {
                let error = SdkError::into_service_error(error);
                return if error.is_no_such_key() { Ok(None) } else { Err(ObjectsError(error.into())) };
            }
        };
        let content = object.body.collect().await.map_err(|error| ObjectsError(error.into()))?;
        Ok(Some(content.to_vec()))
    }

    async fn put(&self, bucket: &str, key: &str, content: Vec<u8>) -> Result<(), ObjectsError> {
        let put = self.client.put_object().bucket(bucket).key(key).body(ByteStream::from(content));
        put.send().await.map(drop).map_err(|error| ObjectsError(SdkError::into_service_error(error).into()))
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::{
        operation::{
            get_object::{GetObjectError, GetObjectOutput},
            put_object::PutObjectOutput,
        },
        types::error::NoSuchKey,
    };
    use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};

    use super::*;

    fn objects(rule: &Rule) -> S3Objects {
        S3Objects { client: mock_client!(aws_sdk_s3, RuleMode::MatchAny, [rule]) }
    }

    #[tokio::test]
    async fn an_object_is_read_whole() {
        let rule = mock!(Client::get_object)
            .match_requests(|request| (request.bucket(), request.key()) == (Some("bucket"), Some("chunks/a")))
            .then_output(|| GetObjectOutput::builder().body(ByteStream::from_static(b"text")).build());

        let content = objects(&rule).get("bucket", "chunks/a").await.unwrap();

        assert_eq!(content.as_deref(), Some(&b"text"[..]));
    }

    #[tokio::test]
    async fn an_object_that_is_not_there_is_no_error_and_one_that_may_not_be_read_is() {
        let missing =
            mock!(Client::get_object).then_error(|| GetObjectError::NoSuchKey(NoSuchKey::builder().build()));
        let refused = mock!(Client::get_object).then_error(|| GetObjectError::unhandled("AccessDenied"));

        assert_eq!(objects(&missing).get("bucket", "chunks/a").await.unwrap(), None);
        assert!(objects(&refused).get("bucket", "chunks/a").await.is_err());
    }

    #[tokio::test]
    async fn an_object_is_written_under_its_key() {
        let rule = mock!(Client::put_object)
            .match_requests(|request| {
                let key = (request.bucket(), request.key()) == (Some("bucket"), Some("results/a"));
                key && request.body().bytes() == Some(b"{}")
            })
            .then_output(|| PutObjectOutput::builder().build());

        objects(&rule).put("bucket", "results/a", b"{}".to_vec()).await.unwrap();
    }
}
