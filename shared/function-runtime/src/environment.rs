//! Typed configuration from environment variables.

use std::{env, error::Error, str::FromStr};

/// Why a variable could not be read. Ends the init of the function, so the message names the variable.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// The template does not set the variable, or sets it to nothing.
    #[error("environment variable {name} is missing")]
    Missing {
        /// Name of the variable.
        name: &'static str,
    },
    /// The variable has a value that its type refuses.
    #[error("environment variable {name} is invalid")]
    Invalid {
        /// Name of the variable.
        name: &'static str,
        /// What the type said of the value.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// Reads the variable `name` as a `T`.
///
/// # Errors
///
/// [`EnvironmentError::Missing`] when it is unset or empty, [`EnvironmentError::Invalid`] when `T` refuses it.
pub fn required<T>(name: &'static str) -> Result<T, EnvironmentError>
where
    T: FromStr<Err: Into<Box<dyn Error + Send + Sync>>>,
{
    parse(name, env::var(name).ok())
}

fn parse<T>(name: &'static str, value: Option<String>) -> Result<T, EnvironmentError>
where
    T: FromStr<Err: Into<Box<dyn Error + Send + Sync>>>,
{
    let value = value.filter(|value| !value.is_empty()).ok_or(EnvironmentError::Missing { name })?;
    value.parse().map_err(|source: T::Err| EnvironmentError::Invalid { name, source: source.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_or_empty_variable_is_named() {
        let missing = parse::<String>("ORDER_QUEUE_URL", None).unwrap_err();
        let empty = parse::<String>("ORDER_QUEUE_URL", Some(String::new())).unwrap_err();

        assert_eq!(missing.to_string(), "environment variable ORDER_QUEUE_URL is missing");
        assert_eq!(empty.to_string(), missing.to_string());
    }

    #[test]
    fn a_value_of_the_wrong_type_is_named_and_explained() {
        let error = parse::<u32>("HEARTBEAT_SECONDS", Some("soon".into())).unwrap_err();

        assert_eq!(error.to_string(), "environment variable HEARTBEAT_SECONDS is invalid");
        assert_eq!(error.source().unwrap().to_string(), "invalid digit found in string");
    }
}
