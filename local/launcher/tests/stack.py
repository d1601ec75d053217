"""The launcher under test, started once for all tests, and what they all need from it."""

import atexit
import functools
import io
import itertools
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

LAUNCHER = Path(__file__).parent.parent / "launch.py"
BOOTSTRAP = Path(__file__).parent / "bootstrap.py"
DEADLINE_SECONDS = 20
BUCKET = "artifacts"

# What no role of the tests is refused.
ANYTHING = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]

_numbers = itertools.count(1)
T = TypeVar("T")


class Launcher:
    """A running launcher. Its stdin is what keeps it alive."""

    def __init__(self, *arguments: str | Path) -> None:
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.directory = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.log_dir = Path(self.directory.name, "logs")
        self.output = Path(self.directory.name, "launcher.log").open("w+b")
        self.process = subprocess.Popen(
            [sys.executable, LAUNCHER, "--log-dir", self.log_dir, "--artifact-bucket", BUCKET]
            + list(arguments),
            env=launcher_environment(self.port, self.directory.name),
            stdin=subprocess.PIPE,
            stdout=self.output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        poll(self.is_ready, "the launcher to serve")

    def is_ready(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"the launcher ended:\n{self.read_output()}")
        try:
            urllib.request.urlopen(f"{self.endpoint}/_ministack/health", timeout=1).close()
        except OSError:
            return False
        return True

    def read_output(self) -> str:
        self.output.seek(0)
        return self.output.read().decode(errors="replace")

    def stop(self) -> None:
        self.process.stdin.close()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.output.close()
        self.directory.cleanup()


@functools.cache
def launcher() -> Launcher:
    started = Launcher()
    atexit.register(started.stop)
    return started


def launcher_environment(port: int, directory: str) -> dict[str, str]:
    return {
        **os.environ,
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AUTH": "true",
        "IOT_MTLS_ENABLED": "0",
        "TMPDIR": directory,
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@functools.cache
def client(service: str) -> Any:
    """A client of the account's root, which nothing is refused."""
    return root_client(service, launcher().endpoint)


def root_client(service: str, endpoint: str) -> Any:
    return _client(service, endpoint, "test", "test", None)


def client_of(role_arn: str, service: str) -> Any:
    """A client that assumed the role."""
    session = client("sts").assume_role(RoleArn=role_arn, RoleSessionName="caller")["Credentials"]
    return _client(
        service,
        launcher().endpoint,
        session["AccessKeyId"],
        session["SecretAccessKey"],
        session["SessionToken"],
    )


def _client(service: str, endpoint: str, key: str, secret: str, token: str | None) -> Any:
    return botocore.session.get_session().create_client(
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=Config(retries={"total_max_attempts": 1}),
    )


def unique(prefix: str) -> str:
    return f"{prefix}-{next(_numbers)}"


def poll(attempt: Callable[[], T], what: str, seconds: float = DEADLINE_SECONDS) -> T:
    """The first truthy answer of `attempt`."""
    deadline = time.monotonic() + seconds
    while not (answer := attempt()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain for {what}")
        time.sleep(0.05)
    return answer


def error_code(call: Callable[..., Any], **arguments: Any) -> str | None:
    """The name of the error that the service answers; `None` for a success."""
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return None


def create_role(service: str, statements: list[dict]) -> str:
    name = unique("role")
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": service, "AWS": "*"},
        "Action": "sts:AssumeRole",
    }
    role = client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=_document([trust]))[
        "Role"
    ]
    client("iam").put_role_policy(
        RoleName=name, PolicyName="test", PolicyDocument=_document(statements)
    )
    return role["Arn"]


def _document(statements: list[dict]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


class Queue:
    """An SQS queue, through which a workflow hands out its task tokens."""

    def __init__(self, **attributes: str) -> None:
        created = client("sqs").create_queue(QueueName=unique("queue"), Attributes=attributes)
        self.url = created["QueueUrl"]
        self.arn = f"arn:aws:sqs:us-east-1:000000000000:{self.url.rpartition('/')[2]}"

    def receive(self, seconds: float = DEADLINE_SECONDS) -> dict:
        def attempt() -> dict | None:
            messages = client("sqs").receive_message(QueueUrl=self.url).get("Messages", [])
            for message in messages:
                client("sqs").delete_message(
                    QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"]
                )
            return json.loads(messages[0]["Body"]) if messages else None

        return poll(attempt, "a message", seconds)

    def receive_token(self) -> str:
        return self.receive()["token"]

    def send(self, body: dict) -> None:
        client("sqs").send_message(QueueUrl=self.url, MessageBody=json.dumps(body))

    def wait_state(self, **fields: Any) -> dict:
        """A state that sends its token to the queue and waits for the callback."""
        return {
            "Type": "Task",
            "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            "Arguments": {
                "QueueUrl": self.url,
                "MessageBody": {
                    "token": "{% $states.context.Task.Token %}",
                    "state": "{% $states.context.State %}",
                },
            },
            "TimeoutSeconds": DEADLINE_SECONDS,
            "End": True,
            **fields,
        }


class Function:
    """A function that does what its event says: see `bootstrap.py`."""

    def __init__(self, statements: list[dict] = ANYTHING, **configuration: Any) -> None:
        self.name = unique("function")
        configuration = {"Timeout": DEADLINE_SECONDS, **configuration}
        created = client("lambda").create_function(
            FunctionName=self.name,
            Runtime="provided.al2023",
            Handler="bootstrap",
            Role=create_role("lambda.amazonaws.com", statements),
            Code={"ZipFile": deployment_package()},
            **configuration,
        )
        self.arn = created["FunctionArn"]

    def invoke(self, *steps: list) -> Any:
        answer = client("lambda").invoke(
            FunctionName=self.name, Payload=json.dumps({"do": steps}).encode()
        )
        return json.load(answer["Payload"])

    def read_log(self) -> str:
        log = launcher().log_dir / f"{self.name}.log"
        return log.read_text() if log.exists() else ""

    def read_answers(self) -> list:
        answers = launcher().log_dir / f"{self.name}.answers"
        return [json.loads(line) for line in answers.read_text().splitlines()]

    def wait_state(self, *steps: Any, **fields: Any) -> dict:
        """A state that invokes the function with its token and waits for the callback."""
        return {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
            "Arguments": {"FunctionName": self.arn, "Payload": {"do": list(steps)}},
            "TimeoutSeconds": DEADLINE_SECONDS,
            "End": True,
            **fields,
        }


@functools.cache
def deployment_package() -> bytes:
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = 0o755 << 16
        archive.writestr(entry, f"#!{sys.executable}\n{BOOTSTRAP.read_text()}")
    return package.getvalue()


class Machine:
    """A state machine of one state, or of the given ones, the first of which starts."""

    def __init__(self, *states: dict, statements: list[dict] = ANYTHING, **fields: Any) -> None:
        names = [f"State{number}" for number in range(1, len(states) + 1)]
        definition = {
            "QueryLanguage": "JSONata",
            "StartAt": names[0],
            "States": dict(zip(names, states)),
            **fields,
        }
        self.arn = client("stepfunctions").create_state_machine(
            name=unique("machine"),
            definition=json.dumps(definition),
            roleArn=create_role("states.amazonaws.com", statements),
        )["stateMachineArn"]

    def start(self, **input_fields: Any) -> "Execution":
        started = client("stepfunctions").start_execution(
            stateMachineArn=self.arn, input=json.dumps(input_fields)
        )
        return Execution(started["executionArn"])


class Execution:
    def __init__(self, arn: str) -> None:
        self.arn = arn

    def describe(self) -> dict:
        return client("stepfunctions").describe_execution(executionArn=self.arn)

    def end(self) -> dict:
        """How it ended."""
        return poll(
            lambda: (now := self.describe())["status"] != "RUNNING" and now, "the execution's end"
        )

    def output(self) -> Any:
        end = self.end()
        if end["status"] != "SUCCEEDED":
            raise AssertionError(f"{end['status']}: {end.get('error')}: {end.get('cause')}")
        return json.loads(end["output"])

    def stop(self) -> None:
        client("stepfunctions").stop_execution(executionArn=self.arn)

    def events(self) -> list[dict]:
        return client("stepfunctions").get_execution_history(
            executionArn=self.arn, maxResults=1000
        )["events"]

    def event(self, kind: str) -> dict:
        """The details of the first event of this kind."""
        event = next(event for event in self.events() if event["type"] == kind)
        return next((v for k, v in event.items() if k.endswith("EventDetails")), {})


def send_success(token: str, output: Any = None) -> None:
    client("stepfunctions").send_task_success(taskToken=token, output=json.dumps(output))


def local(method: str, path: str, body: Any = None) -> Any:
    """A request to the launcher's own interface."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{launcher().endpoint}/_local/{path}", data, method=method)
    with urllib.request.urlopen(request) as response:
        return json.load(response)
