impl function_runtime::NamedError for StatusError {
    fn name(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "StatusUnavailable",
            Self::Unreadable(_) => "StatusUnreadable",
        }
    }
}

#[cfg(test)]
mod tests {
    impl NamedError for Stub {
        fn name(&self) -> &'static str {
            "Stubbed"
        }
    }
}
