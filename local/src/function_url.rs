//! Requests to functions, and to services without a client here, signed as IAM asks for it.

use std::time::SystemTime;

use anyhow::{Context, Result, ensure};
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;

use crate::{
    StackDescription,
    sam::{REGION, public_base_url, root},
};

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
        let sent = signed("lambda", request.method.clone(), &url, request.headers, body)?;
        answer(sent.header("content-type", "application/json").send().await?).await
    }

    /// Invokes a function, by the template output of its name, and returns its answer; or only hands the event over.
    ///
    /// # Errors
    ///
    /// When the emulator does not answer or the function fails; the message has what it says.
    pub async fn invoke(&self, function: &str, event: &Value, invocation: Invocation) -> Result<Value> {
        let url = format!("{}/2015-03-31/functions/{}/invocations", self.endpoint, self.output(function)?);
        let headers = [("x-amz-invocation-type", invocation.name())];
        let answered = signed("lambda", Method::POST, &url, &headers, event.to_string())?
            .send()
            .await?
            .error_for_status()?;
        let failed = answered.headers().contains_key("x-amz-function-error");
        let text = answered.text().await?;
        ensure!(!failed, "{function} failed: {text}");
        Ok(if text.is_empty() { Value::Null } else { serde_json::from_str(&text)? })
    }

    /// Sends a request to an AWS service that this crate has no client for, signed by the root of the emulator's account.
    ///
    /// # Errors
    ///
    /// When the emulator does not answer, or refuses; the message has what it says.
    pub async fn request(&self, service: &str, path: &str, body: String) -> Result<String> {
        let url = format!("{}{path}", self.endpoint);
        let answered = signed(service, Method::POST, &url, &[], body)?.send().await?;
        let status = answered.status();
        let text = answered.text().await?;
        ensure!(status.is_success(), "{service} answered {status}: {text}");
        Ok(text)
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
        let base = public_base_url(&self.endpoint);
        let url = format!("{base}/{}{}", request.function, request.path);
        let body = if request.body.is_null() { String::new() } else { request.body.to_string() };
        (url, body)
    }
}

/// How a function is invoked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Invocation {
    /// Waits for the answer.
    RequestResponse,
    /// Hands the event over; one that fails is tried twice more, and then kept where the function's `OnFailure` says.
    Event,
}

impl Invocation {
    fn name(self) -> &'static str {
        match self {
            Self::RequestResponse => "RequestResponse",
            Self::Event => "Event",
        }
    }
}

fn signed(
    service: &str,
    method: Method,
    url: &str,
    headers: &[(&str, &str)],
    body: String,
) -> Result<RequestBuilder> {
    let identity = root().into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(REGION)
        .name(service)
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()?;
    let signable = SignableRequest::new(
        method.as_str(),
        url,
        headers.iter().copied(),
        SignableBody::Bytes(body.as_bytes()),
    )?;
    let (signature, _) = sign(signable, &parameters.into())?.into_parts();
    let (signed_headers, _) = signature.into_parts();

    let mut sent = reqwest::Client::new().request(method, url).body(body);
    for (name, value) in headers {
        sent = sent.header(*name, *value);
    }
    for header in signed_headers {
        sent = sent.header(header.name().to_owned(), header.value().to_owned());
    }
    Ok(sent)
}

async fn answer(response: Response) -> Result<(u16, Value)> {
    let code = response.status().as_u16();
    let text = response.text().await?;
    let body =
        serde_json::from_str(&text).with_context(|| format!("answered {code} without JSON: {text}"))?;
    Ok((code, body))
}
