//! Requests to functions with a URL, signed as IAM asks for it.

use std::time::SystemTime;

use anyhow::{Context, Result};
use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use reqwest::{Method, Response};
use serde_json::Value;

use crate::{StackDescription, sam::public_base_url};

/// A request to a function.
#[derive(Debug, Clone)]
pub struct FunctionRequest<'a> {
    /// The function, by the name of its folder.
    pub function: &'a str,
    /// The method.
    pub method: Method,
    /// Path and query, with the leading slash.
    pub path: &'a str,
    /// Headers beside the signature's.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body; `null` is none.
    pub body: &'a Value,
}

impl StackDescription {
    /// Sends the request, signed by the root of the emulator's account, and returns the status code and the JSON of the
    /// answer.
    ///
    /// # Errors
    ///
    /// When the emulator does not answer, or not with JSON.
    pub async fn call(&self, request: &FunctionRequest<'_>) -> Result<(u16, Value)> {
        let (url, body) = self.url_and_body(request);
        let identity = Credentials::new("test", "test", None, None, "local stack").into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name("lambda")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()?;
        let signable = SignableRequest::new(
            request.method.as_str(),
            &url,
            request.headers.iter().copied(),
            SignableBody::Bytes(body.as_bytes()),
        )?;
        let (signature, _) = sign(signable, &parameters.into())?.into_parts();
        let (signed_headers, _) = signature.into_parts();

        let mut sent = reqwest::Client::new().request(request.method.clone(), &url).body(body);
        for (name, value) in request.headers {
            sent = sent.header(*name, *value);
        }
        for header in signed_headers {
            sent = sent.header(header.name().to_owned(), header.value().to_owned());
        }
        answer(sent.header("content-type", "application/json").send().await?).await
    }

    /// Sends the request without a signature.
    ///
    /// # Errors
    ///
    /// Those of [`StackDescription::call`].
    pub async fn call_unsigned(&self, request: &FunctionRequest<'_>) -> Result<(u16, Value)> {
        let (url, body) = self.url_and_body(request);
        answer(reqwest::Client::new().request(request.method.clone(), url).body(body).send().await?).await
    }

    fn url_and_body(&self, request: &FunctionRequest<'_>) -> (String, String) {
        let base = public_base_url(&self.endpoint, &self.stack_name);
        let url = format!("{base}/{}{}", request.function, request.path);
        let body = if request.body.is_null() { String::new() } else { request.body.to_string() };
        (url, body)
    }
}

async fn answer(response: Response) -> Result<(u16, Value)> {
    let code = response.status().as_u16();
    let text = response.text().await?;
    let body =
        serde_json::from_str(&text).with_context(|| format!("answered {code} without JSON: {text}"))?;
    Ok((code, body))
}
