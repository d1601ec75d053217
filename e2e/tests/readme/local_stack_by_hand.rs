//! The local stack as a person uses it: `cargo xtask up`, and in other terminals the AWS CLI and cargo-lambda.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use local_stack::{StackDescription, Workspace};
use regex_lite::Regex;
use serde_json::Value;

use crate::{
    commands::{blocks, commands},
    shell::{run, shell},
};

/// Only a failing test waits that long.
const DEADLINE: Duration = Duration::from_secs(180);

/// A command that runs until it is interrupted, as by Ctrl-C.
struct Running {
    child: Child,
}

impl Running {
    fn start(mut command: Command) -> Result<Self> {
        Ok(Self { child: command.stdout(Stdio::null()).spawn()? })
    }

    /// Interrupts it and says whether it ended by that.
    fn interrupt(&mut self) -> Result<bool> {
        let interrupted = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status()?;
        ensure!(interrupted.success(), "it had ended before");
        let give_up = Instant::now() + DEADLINE;
        while Instant::now() < give_up {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status.code() == Some(130) || status.success());
            }
            sleep(Duration::from_millis(50));
        }
        bail!("it runs on")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _interrupted = self.interrupt();
        }
    }
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Starts the stack and waits until it can be used.
fn up() -> Result<(Running, StackDescription)> {
    let port = free_port()?;
    let description = Workspace::this().local().join(format!("emulator-{port}/stack.json"));
    let mut running = Running::start(shell(&format!("exec cargo xtask up --port {port}")))?;
    let give_up = Instant::now() + DEADLINE;
    while !description.exists() {
        ensure!(running.child.try_wait()?.is_none(), "cargo xtask up has ended");
        ensure!(Instant::now() < give_up, "cargo xtask up is not up in time");
        sleep(Duration::from_millis(100));
    }
    Ok((running, serde_json::from_slice(&fs::read(description)?)?))
}

/// Replaces `<FlowBucketName>` by the output of the stack, `<its ARN>` and `<its TaskToken>` by what the commands before
/// have printed.
fn fill_in(command: &str, stack: &StackDescription, printed: &Printed) -> Result<String> {
    let mut filled = command.to_owned();
    let placeholder = Regex::new("<([A-Za-z ]+)>").expect("a valid pattern");
    for found in placeholder.captures_iter(command) {
        let value = match &found[1] {
            "its ARN" => printed.execution.clone().context("no execution was started")?,
            "its TaskToken" => printed.task_token.clone().context("no task token was printed")?,
            output => stack.output(output)?.to_owned(),
        };
        filled = filled.replace(&found[0], &value);
    }
    Ok(filled)
}

#[derive(Default)]
struct Printed {
    execution: Option<String>,
    task_token: Option<String>,
}

impl Printed {
    fn read(&mut self, output: &str) {
        // What `--query` prints is a JSON string that holds the JSON of the parameters.
        let json: Value = serde_json::from_str(output).unwrap_or_default();
        if let Some(execution) = json["executionArn"].as_str() {
            self.execution = Some(execution.to_owned());
        }
        let token = Regex::new(r#"TaskToken[\\": ]+([A-Za-z0-9_=+/-]+)"#).expect("a valid pattern");
        if let Some(found) = token.captures(output) {
            self.task_token = Some(found[1].to_owned());
        }
    }
}

/// Runs the commands of a block; one that prints nothing yet, because the workflow is not that far, is run again.
fn run_on_stack(block: &str, stack: &StackDescription) -> Result<()> {
    let mut printed = Printed::default();
    for command in commands(block) {
        let line = fill_in(&command, stack, &printed)?;
        let give_up = Instant::now() + DEADLINE;
        loop {
            let mut shell = shell(&line);
            shell.env("AWS_ENDPOINT_URL", &stack.endpoint);
            let output = run(shell)?;
            printed.read(&output);
            if output.trim() != "null" {
                break;
            }
            ensure!(Instant::now() < give_up, "{line} prints nothing");
            sleep(Duration::from_millis(200));
        }
    }
    Ok(())
}

#[test]
fn the_demonstration_ends_well() -> Result<()> {
    let printed = run(shell("cargo xtask demo --json"))?;

    let ended: Vec<Value> = printed.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    assert_eq!(ended.len(), 6, "{printed}");
    assert!(ended.iter().all(|execution| execution["as_expected"] == true), "{printed}");
    Ok(())
}

#[test]
fn the_aws_cli_and_cargo_lambda_work_with_the_stack_that_is_up() -> Result<()> {
    let (mut running, stack) = up()?;

    for block in blocks() {
        if !block.contains("cargo") && !block.contains("sam ") {
            run_on_stack(block, &stack)?;
        }
    }
    every_function_answers()?;

    assert!(running.interrupt()?, "Ctrl-C ends it");
    assert!(TcpStream::connect(stack.endpoint.trim_start_matches("http://")).is_err(), "nothing is left");
    Ok(())
}

/// Runs the README's `watch`, and its `invoke` for the first sample event of every function.
fn every_function_answers() -> Result<()> {
    let block =
        blocks().into_iter().find(|block| block.contains("cargo lambda watch")).context("no watch")?;
    let [path, watch, invoke] = <[String; 3]>::try_from(commands(block)).expect("path, watch and invoke");
    // On a port of its own, because the machine's 9000 may be taken.
    let port = free_port()?;
    let mut watching = Running::start(shell(&format!("{path}\nexec {watch} --invoke-port {port}")))?;
    let give_up = Instant::now() + DEADLINE;
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        ensure!(watching.child.try_wait()?.is_none(), "cargo lambda watch has ended");
        ensure!(Instant::now() < give_up, "cargo lambda watch does not listen");
        sleep(Duration::from_millis(100));
    }

    let named_error = Regex::new("^Error: [A-Z][A-Za-z]+\n").expect("a valid pattern");
    let (before, sample) = invoke.split_once("pizza-baker --data-file").context("no sample")?;
    ensure!(sample.contains("events/pizza-baker/"), "{sample}");
    let root = Workspace::this().root().to_owned();
    for function in fs::read_dir(root.join("functions"))? {
        let function = function?.file_name().into_string().expect("a name in UTF-8");
        let mut samples: Vec<_> = fs::read_dir(root.join("events").join(&function))?
            .map(|sample| Ok(sample?.path()))
            .collect::<Result<_>>()?;
        samples.retain(|sample| sample.is_file());
        samples.sort();
        let sample = samples.first().context("a function without a sample")?.display();
        let line = format!("{path}\n{before}--invoke-port {port} {function} --data-file {sample}");
        let answered = shell(&line).output()?;
        let answer = String::from_utf8_lossy(&answered.stdout).into_owned();
        let error = String::from_utf8_lossy(&answered.stderr).into_owned();
        // A function may fail on its sample, for example because it names an object that is not there. It answers by the
        // name of its error; a request that does not reach it has none.
        let refused = named_error.is_match(&error);
        ensure!(
            (answered.status.success() && !answer.trim().is_empty()) || refused,
            "{function} does not answer {sample}:\n{answer}\n{error}"
        );
        println!("{function}: {}{}", answer.trim(), error.lines().next().unwrap_or_default());
    }
    ensure!(watching.interrupt()?, "Ctrl-C ends the watch");
    Ok(())
}
