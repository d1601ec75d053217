impl NamedError for BakerError {
    fn name(&self) -> &'static str {
        "QueueUnavailable"
    }
}
