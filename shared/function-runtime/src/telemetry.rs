//! JSON logs on standard output, where the Lambda service collects them.

use std::io;

use tracing_subscriber::{EnvFilter, filter::LevelFilter, fmt::MakeWriter, util::SubscriberInitExt};

/// Starts logging: one JSON object a line with `timestamp`, `level`, `message`, the event's own fields and, under
/// `span`, the runtime's `requestId`.
///
/// The level is that of the function's logging configuration (`AWS_LAMBDA_LOG_LEVEL`), else of `RUST_LOG`, else
/// `INFO`.
pub fn init() {
    let level = std::env::var("AWS_LAMBDA_LOG_LEVEL").ok().and_then(|level| level.parse().ok());
    subscriber(level.unwrap_or(LevelFilter::INFO), io::stdout).init();
}

fn subscriber<Writer>(level: LevelFilter, writer: Writer) -> impl SubscriberInitExt
where
    Writer: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_env_filter(EnvFilter::builder().with_default_directive(level.into()).from_env_lossy())
        .with_writer(writer)
}
