//! The keys that webhooks are signed with by [Standard Webhooks](https://www.standardwebhooks.com), kept in one secret.
//!
//! The secret holds two, `{"current", "previous"}`: while it is rotated, what was signed by either is genuine, and the
//! sender need not be stopped. [`SecretsManagerKeys`] reads it; a test brings a [`KeySource`] of its own.

use aws_sdk_secretsmanager::{
    Client,
    error::{BoxError, SdkError},
};
use serde::Deserialize;
use standardwebhooks::Webhook;

/// Where the keys are read.
pub trait KeySource: Send + Sync {
    /// Reads the keys as they are now.
    fn read(&self) -> impl Future<Output = Result<SigningKeys, SigningKeysError>> + Send;
}

/// The keys cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SigningKeysError {
    /// Retryable: Secrets Manager did not hand out the secret.
    #[error("the signing secret cannot be read")]
    Unavailable(#[source] BoxError),
    /// Terminal. Says nothing of the secret's text.
    #[error("the signing secret is not {{\"current\", \"previous\"}} with keys in base64")]
    Malformed,
}

/// The keys of the secret. No `Debug`: they are credentials.
pub struct SigningKeys {
    current: Webhook,
    previous: Option<Webhook>,
}

impl SigningKeys {
    /// Reads the secret's JSON text: `{"current", "previous"?}`, each the base64 of a key, `whsec_` before it or not. A
    /// previous key that is empty is none: nobody has rotated yet.
    ///
    /// # Errors
    ///
    /// [`SigningKeysError::Malformed`] for everything else.
    pub fn parse(secret: &str) -> Result<Self, SigningKeysError> {
        #[derive(Deserialize)]
        struct Secret {
            current: String,
            #[serde(default)]
            previous: String,
        }

        let key = |key: &str| Webhook::new(key).map_err(|_| SigningKeysError::Malformed);
        let Secret { current, previous } =
            serde_json::from_str(secret).map_err(|_| SigningKeysError::Malformed)?;
        if current.is_empty() {
            return Err(SigningKeysError::Malformed);
        }
        Ok(Self {
            current: key(&current)?,
            previous: if previous.is_empty() { None } else { Some(key(&previous)?) },
        })
    }

    /// What a sender signs with.
    #[must_use]
    pub fn current(&self) -> &Webhook {
        &self.current
    }

    /// What it signed with before the last rotation, if there was one.
    #[must_use]
    pub fn previous(&self) -> Option<&Webhook> {
        self.previous.as_ref()
    }

    /// Whether one of the keys has signed.
    pub fn any(&self, signed: impl FnMut(&Webhook) -> bool) -> bool {
        [Some(&self.current), self.previous.as_ref()].into_iter().flatten().any(signed)
    }
}

/// A [`KeySource`] in Secrets Manager. Needs `secretsmanager:GetSecretValue` on the secret.
pub struct SecretsManagerKeys {
    client: Client,
    secret_arn: String,
}

impl SecretsManagerKeys {
    /// The keys of one secret.
    #[must_use]
    pub fn new(client: Client, secret_arn: String) -> Self {
        Self { client, secret_arn }
    }
}

impl KeySource for SecretsManagerKeys {
    async fn read(&self) -> Result<SigningKeys, SigningKeysError> {
        let secret = self.client.get_secret_value().secret_id(&self.secret_arn).send().await;
        let secret = secret
            .map_err(|error| SigningKeysError::Unavailable(SdkError::into_service_error(error).into()))?;
        SigningKeys::parse(&secret.secret_string.ok_or(SigningKeysError::Malformed)?)
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use aws_sdk_secretsmanager::{
        operation::get_secret_value::{GetSecretValueError, GetSecretValueOutput},
        types::error::InternalServiceError,
    };
    use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};

    use super::*;

    const CURRENT: &str = "Y3VycmVudCBrZXkgb2YgMjQgYnl0ZXMh";
    const PREVIOUS: &str = "cHJldmlvdXMga2V5LCAyNCBieXRlcyEh";

    fn source(rule: &Rule) -> SecretsManagerKeys {
        let client = mock_client!(aws_sdk_secretsmanager, RuleMode::MatchAny, [rule]);
        SecretsManagerKeys::new(client, "arn".into())
    }

    fn signature(key: &Webhook) -> String {
        key.sign("msg_1", 0, b"{}").unwrap()
    }

    fn signed_by(key: &str) -> impl FnMut(&Webhook) -> bool {
        let expected = signature(&Webhook::new(key).unwrap());
        move |key| signature(key) == expected
    }

    #[tokio::test]
    async fn the_secret_is_read_by_its_arn() {
        let rule = mock!(Client::get_secret_value)
            .match_requests(|request| request.secret_id() == Some("arn"))
            .then_output(|| {
                let secret = format!(r#"{{"current":"{CURRENT}","previous":"{PREVIOUS}"}}"#);
                GetSecretValueOutput::builder().secret_string(secret).build()
            });

        let keys = source(&rule).read().await.unwrap();

        assert!(signed_by(CURRENT)(keys.current()));
        assert!(signed_by(PREVIOUS)(keys.previous().unwrap()));
        assert!(keys.any(signed_by(CURRENT)) && keys.any(signed_by(PREVIOUS)));
        assert!(!keys.any(signed_by("Zm9yZ2VkIGtleSBvZiAyNCBieXRlcyEh")));
    }

    #[tokio::test]
    async fn a_secret_that_cannot_be_read_is_reported_with_its_cause() {
        let rule = mock!(Client::get_secret_value).then_error(|| {
            GetSecretValueError::InternalServiceError(
                InternalServiceError::builder().message("later").build(),
            )
        });

        let Err(error) = source(&rule).read().await else { panic!("keys") };

        assert_eq!(error.to_string(), "the signing secret cannot be read");
        assert_eq!(error.source().unwrap().to_string(), "InternalServiceError: later");
    }

    #[test]
    fn before_the_first_rotation_there_is_no_previous_key() {
        for secret in
            [format!(r#"{{"current":"{CURRENT}","previous":""}}"#), format!(r#"{{"current":"{CURRENT}"}}"#)]
        {
            assert!(SigningKeys::parse(&secret).unwrap().previous().is_none());
        }
    }

    #[test]
    fn a_malformed_secret_is_refused_without_being_repeated() {
        for secret in ["a plain key", "{}", r#"{"current":""}"#, r#"{"current":"not base64!"}"#] {
            let Err(error) = SigningKeys::parse(secret) else { panic!("{secret} was taken") };
            assert_eq!(
                format!("{error:?} {error}"),
                r#"Malformed the signing secret is not {"current", "previous"} with keys in base64"#
            );
        }
    }
}
