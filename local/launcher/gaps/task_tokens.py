"""Task tokens, and the three `SendTask*` operations that use them.

AWS: a token is opaque, 1 to 2048 characters, and belongs to one attempt of one task. The first
`SendTaskSuccess` or `SendTaskFailure` closes the task; whatever comes later, heartbeats included,
and whatever comes after the task timed out or its execution ended, is answered `TaskTimedOut`. A
token that was never issued is answered `InvalidToken`, an output that is not JSON `InvalidOutput`,
and a value over its limit `ValidationException`.

The emulator hands out a UUID, answers `TaskDoesNotExist` in every case, and takes any output.
"""

import json
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ministack.core.responses import error_response_json, json_response
from ministack.services import stepfunctions as engine

TOKEN_LIMIT = 2048
OUTPUT_LIMIT = 262_144
ERROR_LIMIT = 256
CAUSE_LIMIT = 32_768


@dataclass(frozen=True)
class Succeeded:
    result: Any


@dataclass(frozen=True)
class Failed:
    error: str
    cause: str


@dataclass(frozen=True)
class TimedOut:
    """Neither an answer within `TimeoutSeconds` nor a heartbeat within `HeartbeatSeconds`."""


@dataclass(frozen=True)
class ExecutionEnded:
    """The execution was stopped, timed out or failed elsewhere while the task was open."""


Outcome = Succeeded | Failed | TimedOut | ExecutionEnded


class Task:
    """One attempt of a task state: open until its first outcome."""

    def __init__(self, execution: dict) -> None:
        self.execution_arn: str = execution["executionArn"]
        self.machine_arn: str = execution["stateMachineArn"]
        # As long as AWS's. They start with a letter there too, so that a shell passes them on.
        self.token = "AQC" + secrets.token_urlsafe(531)
        self._outcome: Outcome | None = None
        self._opened_at = self._last_beat_at = time.monotonic()
        self._changed = threading.Condition()

    def settle(self, outcome: Outcome) -> bool:
        """Closes the task, unless it is closed. Of two callers at once, one is told `True`."""
        with self._changed:
            if self._outcome is not None:
                return False
            self._outcome = outcome
            self._changed.notify_all()
            return True

    def beat(self) -> bool:
        """Restarts the heartbeat clock; `False` when the task is closed."""
        with self._changed:
            if self._outcome is not None:
                return False
            self._last_beat_at = time.monotonic()
            return True

    def while_open(self, action: Callable[[], Any]) -> None:
        """Runs `action` before the task can close, or not at all."""
        with self._changed:
            if self._outcome is None:
                action()

    def wait(self, timeout_seconds: float | None, heartbeat_seconds: float | None) -> Outcome:
        """Waits for the outcome, which is `TimedOut` when the first of the two clocks runs out."""
        with self._changed:
            while self._outcome is None:
                deadlines = []
                if timeout_seconds is not None:
                    deadlines.append(self._opened_at + timeout_seconds)
                if heartbeat_seconds is not None:
                    deadlines.append(self._last_beat_at + heartbeat_seconds)
                remaining = min(deadlines) - time.monotonic() if deadlines else None
                if remaining is not None and remaining <= 0:
                    self._outcome = TimedOut()
                else:
                    self._changed.wait(remaining)
            return self._outcome


# Closed tasks stay: their tokens must not look like ones that were never issued.
_tasks: dict[str, Task] = {}


def open_task(execution: dict) -> Task:
    task = Task(execution)
    _tasks[task.token] = task
    return task


def find(token: str) -> Task | None:
    return _tasks.get(token)


def issued() -> list[str]:
    """Every token that was handed out."""
    return list(_tasks)


def close_all_of(execution_arn: str) -> None:
    """Closes what the execution has open, and so ends the threads that wait for it."""
    for task in list(_tasks.values()):
        if task.execution_arn == execution_arn:
            task.settle(ExecutionEnded())


def _send_task_success(data: dict) -> tuple:
    def succeed(task: Task) -> bool | tuple:
        try:
            result = json.loads(data["output"], parse_constant=_refuse_constant)
        except ValueError:
            return error_response_json("InvalidOutput", "Invalid Output: 'Invalid JSON'", 400)
        return task.settle(Succeeded(result))

    return _answer(data, {"output": OUTPUT_LIMIT}, {"taskToken", "output"}, succeed)


def _send_task_failure(data: dict) -> tuple:
    def fail(task: Task) -> bool:
        return task.settle(Failed(data.get("error") or "", data.get("cause") or ""))

    return _answer(data, {"error": ERROR_LIMIT, "cause": CAUSE_LIMIT}, {"taskToken"}, fail)


def _send_task_heartbeat(data: dict) -> tuple:
    return _answer(data, {}, {"taskToken"}, Task.beat)


def _answer(
    data: dict,
    limits: dict[str, int],
    required: set[str],
    carry_out: Callable[[Task], bool | tuple],
) -> tuple:
    for field, limit in {"taskToken": TOKEN_LIMIT, **limits}.items():
        value = data.get(field)
        if value is None and field in required:
            return _validation_error(f"Value null at '{field}'", "Member must not be null")
        if value is not None and len(value.encode()) > limit:
            constraint = f"Member must have length less than or equal to {limit}"
            return _validation_error(f"Value at '{field}'", constraint)
    task = find(data["taskToken"])
    if task is None:
        return error_response_json("InvalidToken", "Invalid Token: 'Invalid token'", 400)
    done = carry_out(task)
    if done is False:
        message = "Task Timed Out: 'Provided task does not exist anymore'"
        return error_response_json("TaskTimedOut", message, 400)
    return json_response({}) if done is True else done


def _validation_error(where: str, constraint: str) -> tuple:
    message = f"1 validation error detected: {where} failed to satisfy constraint: {constraint}"
    return error_response_json("ValidationException", message, 400)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is Python's JSON, not everyone's")


def _for_activities_as_before(replacement: Callable, original: Callable) -> Callable:
    """Activity tasks keep the emulator's own tokens."""
    return lambda data: (
        original(data) if data.get("taskToken") in engine._task_tokens else replacement(data)
    )


def install() -> None:
    for operation in (_send_task_success, _send_task_failure, _send_task_heartbeat):
        original = getattr(engine, operation.__name__)
        setattr(engine, operation.__name__, _for_activities_as_before(operation, original))
    # Seen from a workflow, through `aws-sdk:sfn`, the names end as the SDK's exceptions do.
    engine._AWS_SDK_ERROR_CODE_OVERRIDES["sfn"] = {
        name: f"{name}Exception"
        for name in (
            "ExecutionAlreadyExists",
            "ExecutionDoesNotExist",
            "InvalidOutput",
            "InvalidToken",
            "StateMachineDoesNotExist",
            "TaskDoesNotExist",
            "TaskTimedOut",
        )
    }
