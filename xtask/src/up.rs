//! `cargo xtask up`: the local stack for people.

use std::{fmt::Write, future, process::ExitCode};

use anyhow::Result;
use local_stack::{Progress, Stack, StackDescription, Workspace, tools::install_aws_cli};

/// The machines that people start, by the template output of their ARN, each with an input.
const EXAMPLES: [(&str, &str); 6] = [
    ("PizzaCallbackStateMachineArn", r#"{"order":"pizza funghi"}"#),
    ("PizzaPollingStateMachineArn", r#"{"order":"pizza funghi"}"#),
    (
        "LoanProcessorStateMachineArn",
        r#"{"applicationReference":"app-ref","property":{"nameOrNumber":"999","postcode":"PO1 1CE"}}"#,
    ),
    ("JobMainStateMachineArn", "{}"),
    ("OrderProcessorStateMachineArn", r#"{"detail":{"orderId":"1","userId":"testuser"}}"#),
    ("DocumentProcessorStateMachineArn", r#"{"key":"documents/poem.txt"}"#),
];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Port of the emulator on 127.0.0.1.
    #[arg(long, default_value_t = 4566)]
    port: u16,
}

pub(crate) async fn run(
    workspace: &Workspace,
    progress: &Progress,
    arguments: &Arguments,
) -> Result<ExitCode> {
    let (stack, ()) = tokio::try_join!(
        Stack::start(workspace, progress, Some(arguments.port)),
        install_aws_cli(workspace, progress),
    )?;
    stack.save_function_environment(workspace).await?;
    stack.save()?;
    println!("{}", usage(&stack));
    future::pending().await
}

fn usage(stack: &StackDescription) -> String {
    let endpoint = &stack.endpoint;
    let mut text = format!(
        "\nThe stack is up. In another terminal:\n\n  \
           export AWS_ENDPOINT_URL={endpoint} AWS_DEFAULT_REGION=us-east-1 \\\n         \
           AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test\n  \
           export PATH=\"$PWD/target/tools/bin:$PATH\"\n"
    );
    for (output, input) in EXAMPLES {
        let machine = &stack.outputs[output];
        write!(
            text,
            "  aws stepfunctions start-execution --state-machine-arn {machine} \\\n    --input '{input}'\n"
        )
        .expect("a text takes all writes");
    }
    text.push_str("\nOne function, with your changes, against this stack:\n\n");
    text.push_str("  cargo lambda watch --invoke-address 127.0.0.1 --env-file target/local/functions.env\n");
    text.push_str("  cargo lambda invoke --invoke-address 127.0.0.1 pizza-baker \\\n    --data-file events/pizza-baker/callback-order.json\n");
    text.push_str("\nCtrl-C stops it.");
    text
}
