//! Takes permissions away from a deployed stack, one at a time.

use anyhow::{Context, Result, ensure};
use local_stack::StackDescription;
use percent_encoding::percent_decode_str;
use serde_json::Value;

/// The policies of a stack, as they are deployed.
pub(crate) struct Policies {
    stack: StackDescription,
    iam: aws_sdk_iam::Client,
    sfn: aws_sdk_sfn::Client,
    lambda: aws_sdk_lambda::Client,
    s3: aws_sdk_s3::Client,
}

/// Where a policy stands.
#[derive(Clone)]
enum Place {
    /// In a role, under a name.
    Role(String, String),
    /// At a bucket.
    Bucket(String),
}

/// One statement that allows something.
struct Permission {
    /// The resource in the template that it belongs to.
    resource: &'static str,
    place: Place,
    /// The whole policy.
    document: Value,
    statement: usize,
}

impl Policies {
    pub(crate) async fn of(stack: &StackDescription) -> Self {
        let config = stack.sdk_config().await;
        let by_path = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
        Self {
            stack: stack.clone(),
            iam: aws_sdk_iam::Client::new(&config),
            sfn: aws_sdk_sfn::Client::new(&config),
            lambda: aws_sdk_lambda::Client::new(&config),
            s3: aws_sdk_s3::Client::from_conf(by_path),
        }
    }

    /// Asserts that `works` says yes to the stack as it is deployed, before and after, and no without any one of the
    /// `count` statements that allow something to these functions, state machines and buckets.
    pub(crate) async fn assert_each_is_needed(
        &self,
        resources: &[&'static str],
        count: usize,
        works: impl AsyncFn() -> Result<bool>,
    ) -> Result<()> {
        let mut permissions = Vec::new();
        for resource in resources {
            let found = self.permissions(resource).await?;
            ensure!(!found.is_empty(), "{resource} may do nothing");
            permissions.extend(found);
        }
        assert_eq!(permissions.len(), count);
        assert!(works().await?, "the stack works with all permissions");

        let mut not_needed = Vec::new();
        for permission in &permissions {
            self.put(&permission.place, &permission.without()).await?;
            self.restart(permission.resource).await?;
            if works().await.with_context(|| format!("without {}", permission.name()))? {
                not_needed.push(permission.name());
            }
            self.put(&permission.place, &permission.document).await?;
        }

        assert!(not_needed.is_empty(), "these can be taken away: {not_needed:#?}");
        assert!(works().await?, "the stack works again");
        Ok(())
    }

    /// The statements that allow something, in all policies of a function, a state machine or a bucket.
    async fn permissions(&self, resource: &'static str) -> Result<Vec<Permission>> {
        let mut permissions = Vec::new();
        for (place, document) in self.policies(resource).await? {
            let statements = document["Statement"].as_array().context("a policy without statements")?;
            let allow = |(_, statement): &(usize, &Value)| statement["Effect"] == "Allow";
            for (statement, _) in statements.iter().enumerate().filter(allow) {
                permissions.push(Permission {
                    resource,
                    place: place.clone(),
                    document: document.clone(),
                    statement,
                });
            }
        }
        Ok(permissions)
    }

    async fn policies(&self, resource: &str) -> Result<Vec<(Place, Value)>> {
        if resource.ends_with("Bucket") {
            let bucket = self.stack.output(&format!("{resource}Name"))?;
            let policy = self.s3.get_bucket_policy().bucket(bucket).send().await?.policy;
            let document = serde_json::from_str(&policy.context("a bucket without a policy")?)?;
            return Ok(vec![(Place::Bucket(bucket.to_owned()), document)]);
        }
        let role = self.role(resource).await?;
        let mut policies = Vec::new();
        for name in self.iam.list_role_policies().role_name(&role).send().await?.policy_names {
            let policy = self.iam.get_role_policy().role_name(&role).policy_name(&name).send().await?;
            // IAM answers with RFC 3986 percent-encoding.
            let document = percent_decode_str(&policy.policy_document).decode_utf8()?;
            policies.push((Place::Role(role.clone(), name), serde_json::from_str(&document)?));
        }
        Ok(policies)
    }

    /// The name of the role of a function or a state machine.
    async fn role(&self, resource: &str) -> Result<String> {
        let role = if resource.ends_with("Function") {
            let function = self.stack.output(&format!("{resource}Name"))?;
            let found = self.lambda.get_function_configuration().function_name(function).send().await?;
            found.role.context("a function without a role")?
        } else {
            let machine = self.stack.output(&format!("{resource}Arn"))?;
            self.sfn.describe_state_machine().state_machine_arn(machine).send().await?.role_arn
        };
        Ok(role.rsplit('/').next().context("an ARN ends with a name")?.to_owned())
    }

    async fn put(&self, place: &Place, document: &Value) -> Result<()> {
        match place {
            Place::Bucket(bucket) => {
                self.s3.put_bucket_policy().bucket(bucket).policy(document.to_string()).send().await?;
            }
            // IAM takes no policy without statements.
            Place::Role(role, name) if document["Statement"] == Value::Array(vec![]) => {
                self.iam.delete_role_policy().role_name(role).policy_name(name).send().await?;
            }
            Place::Role(role, name) => {
                let put = self.iam.put_role_policy().role_name(role).policy_name(name);
                put.policy_document(document.to_string()).send().await?;
            }
        }
        Ok(())
    }

    /// Lets a function begin with a new process, which has kept nothing that it may no longer read.
    async fn restart(&self, resource: &str) -> Result<()> {
        if resource.ends_with("Function") {
            let function = self.stack.output(&format!("{resource}Name"))?;
            let timeout =
                self.lambda.get_function_configuration().function_name(function).send().await?.timeout;
            // The emulator begins anew for what processes see, as a timeout, whatever the value; AWS for anything.
            let update = self.lambda.update_function_configuration().function_name(function);
            update.set_timeout(timeout).send().await?;
        }
        Ok(())
    }
}

impl Permission {
    fn name(&self) -> String {
        let statement = &self.document["Statement"][self.statement];
        let what = statement.get("Sid").unwrap_or(&statement["Action"]);
        format!("{}: {what}", self.resource)
    }

    /// The policy without the statement.
    fn without(&self) -> Value {
        let mut document = self.document.clone();
        if let Some(statements) = document["Statement"].as_array_mut() {
            statements.remove(self.statement);
        }
        document
    }
}
