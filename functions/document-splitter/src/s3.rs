//! Documents and artifacts in one bucket of S3.

use aws_sdk_s3::{
    Client,
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    operation::get_object::GetObjectError,
    primitives::ByteStream,
    types::{Delete, ObjectIdentifier},
};
use bytes::Bytes;

use crate::{
    artifacts::Artifacts,
    documents::{Content, Document, Documents, StorageError},
};

/// The bucket.
pub(crate) struct S3Bucket {
    client: Client,
    name: String,
}

impl S3Bucket {
    pub(crate) fn new(client: Client, name: String) -> Self {
        Self { client, name }
    }
}

impl Documents for S3Bucket {
    type Content = ByteStream;

    async fn open(&self, key: &str) -> Result<Option<Document<ByteStream>>, StorageError> {
        let opened = self.client.get_object().bucket(&self.name).key(key).send().await;
        match opened {
            Ok(object) => {
                let length = object.content_length().and_then(|length| u64::try_from(length).ok());
                let unknown = || StorageError::Refused("S3 did not say how long the document is".into());
                Ok(Some(Document { length: length.ok_or_else(unknown)?, content: object.body }))
            }
            Err(error) if error.as_service_error().is_some_and(GetObjectError::is_no_such_key) => Ok(None),
            Err(error) => Err(storage_error(error)),
        }
    }
}

impl Content for ByteStream {
    async fn next(&mut self) -> Result<Option<Bytes>, StorageError> {
        ByteStream::next(self).await.transpose().map_err(|error| StorageError::Unavailable(error.into()))
    }
}

impl Artifacts for S3Bucket {
    async fn put(&self, key: &str, content: Vec<u8>) -> Result<(), StorageError> {
        let put = self.client.put_object().bucket(&self.name).key(key).body(ByteStream::from(content));
        put.send().await.map(drop).map_err(storage_error)
    }

    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>, StorageError> {
        let list = self.client.list_objects_v2().bucket(&self.name).prefix(prefix);
        let listed = list.set_start_after(after.map(str::to_owned)).send().await.map_err(storage_error)?;
        Ok(listed.contents.unwrap_or_default().into_iter().filter_map(|object| object.key).collect())
    }

    async fn delete(&self, keys: &[String]) -> Result<(), StorageError> {
        let objects = keys.iter().map(|key| ObjectIdentifier::builder().key(key).build());
        let objects = objects.collect::<Result<Vec<_>, _>>().expect("every identifier has its key");
        let delete = Delete::builder().set_objects(Some(objects)).quiet(true).build();
        let delete = delete.expect("there are objects");
        let deleted = self.client.delete_objects().bucket(&self.name).delete(delete).send().await;
        let left = deleted.map_err(storage_error)?.errors.unwrap_or_default();
        match left.first() {
            None => Ok(()),
            Some(error) => {
                let (code, text) = (error.code().unwrap_or_default(), error.message().unwrap_or_default());
                let what = format!("{} objects are left: {code}: {text}", left.len()).into();
                let refused = code == "AccessDenied";
                Err(if refused { StorageError::Refused(what) } else { StorageError::Unavailable(what) })
            }
        }
    }
}

/// Whether the same request may succeed later.
fn storage_error<E>(error: SdkError<E, HttpResponse>) -> StorageError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let refused = match &error {
        SdkError::ServiceError(answer) => {
            let status = answer.raw().status().as_u16();
            (400..500).contains(&status) && !matches!(status, 408 | 409 | 429)
        }
        SdkError::ConstructionFailure(_) => true,
        _ => false,
    };
    let source = error.into_source().unwrap_or_else(Into::into);
    if refused { StorageError::Refused(source) } else { StorageError::Unavailable(source) }
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::{
        operation::{
            delete_objects::DeleteObjectsOutput, get_object::GetObjectOutput,
            list_objects_v2::ListObjectsV2Output, put_object::PutObjectOutput,
        },
        types::{Error, Object, error::NoSuchKey},
    };
    use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};

    use super::*;

    fn bucket(rule: &Rule) -> S3Bucket {
        S3Bucket::new(mock_client!(aws_sdk_s3, RuleMode::MatchAny, [rule]), "documents".into())
    }

    #[tokio::test]
    async fn a_document_is_read_with_its_length() {
        let rule = mock!(Client::get_object)
            .match_requests(|request| {
                (request.bucket(), request.key()) == (Some("documents"), Some("documents/poem.txt"))
            })
            .then_output(|| {
                let body = ByteStream::from_static(b"a poem");
                GetObjectOutput::builder().content_length(6).body(body).build()
            });

        let mut document = bucket(&rule).open("documents/poem.txt").await.unwrap().unwrap();

        assert_eq!(document.length, 6);
        assert_eq!(Content::next(&mut document.content).await.unwrap().as_deref(), Some(&b"a poem"[..]));
        assert!(Content::next(&mut document.content).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_document_that_is_not_there_is_no_error() {
        let rule =
            mock!(Client::get_object).then_error(|| GetObjectError::NoSuchKey(NoSuchKey::builder().build()));

        assert!(bucket(&rule).open("documents/poem.txt").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn errors_say_whether_to_try_again() {
        let answers = [(400, false), (403, false), (404, false), (429, true), (500, true), (503, true)];
        for (status, again) in answers {
            let rule = mock!(Client::put_object).then_http_response(move || {
                HttpResponse::new(status.try_into().unwrap(), aws_sdk_s3::primitives::SdkBody::empty())
            });
            let config = |config: aws_sdk_s3::config::Builder| {
                config.retry_config(aws_sdk_s3::config::retry::RetryConfig::disabled())
            };
            let client = mock_client!(aws_sdk_s3, RuleMode::MatchAny, [&rule], config);
            let bucket = S3Bucket::new(client, "documents".into());

            let error = bucket.put("chunks/a", b"text".to_vec()).await.unwrap_err();

            assert_eq!(matches!(error, StorageError::Unavailable(_)), again, "{status}");
        }
    }

    #[tokio::test]
    async fn a_chunk_is_put_under_its_key() {
        let rule = mock!(Client::put_object)
            .match_requests(|request| {
                let key = (request.bucket(), request.key()) == (Some("documents"), Some("chunks/a"));
                key && request.body().bytes() == Some(b"text")
            })
            .then_output(|| PutObjectOutput::builder().build());

        bucket(&rule).put("chunks/a", b"text".to_vec()).await.unwrap();
    }

    #[tokio::test]
    async fn artifacts_are_listed_by_their_prefix_after_a_key() {
        let rule = mock!(Client::list_objects_v2)
            .match_requests(|request| {
                (request.prefix(), request.start_after()) == (Some("chunks/a/"), Some("chunks/a/1"))
            })
            .then_output(|| {
                let object = Object::builder().key("chunks/a/2").build();
                ListObjectsV2Output::builder().contents(object).build()
            });

        let listed = bucket(&rule).list("chunks/a/", Some("chunks/a/1")).await.unwrap();

        assert_eq!(listed, ["chunks/a/2"]);
    }

    #[tokio::test]
    async fn an_artifact_that_is_not_deleted_is_said() {
        let left = |code: &'static str| {
            mock!(Client::delete_objects)
                .match_requests(|request| {
                    request.delete().is_some_and(|delete| delete.objects()[0].key() == "chunks/a/1")
                })
                .then_output(move || {
                    let error = Error::builder().code(code).message("no").build();
                    DeleteObjectsOutput::builder().errors(error).build()
                })
        };
        let delete = async |rule: Rule| bucket(&rule).delete(&["chunks/a/1".into()]).await.unwrap_err();

        assert!(matches!(delete(left("AccessDenied")).await, StorageError::Refused(_)));
        assert!(matches!(delete(left("InternalError")).await, StorageError::Unavailable(_)));
    }
}
