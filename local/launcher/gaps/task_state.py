"""Task states: their clocks, tokens, retries and history.

AWS:
- A task ends with `States.Timeout` after `TimeoutSeconds`, counted from when it was scheduled, and
  a callback task also after `HeartbeatSeconds` without a `SendTaskHeartbeat` (recorded traces show
  `States.Timeout` there too). Heartbeats never extend `TimeoutSeconds`. Either is a number, a
  JSONata expression, or a path (`TimeoutSecondsPath`).
- A `.waitForTaskToken` task fails as soon as its service call fails, by the error of that call,
  and goes through Retry and Catch. A callback may come before the service call returned.
- Every retry evaluates the arguments anew, with a token of its own and the `RetryCount`.
- The history tells `TaskScheduled` with the parameters and clocks, `TaskStarted`, `TaskSubmitted`
  once the service took a callback task's request, and then `TaskSucceeded`, `TaskFailed` or
  `TaskTimedOut`; `EvaluationFailed` when an expression fails.

The emulator ignores heartbeats, takes only numbers, swallows a failing function, keeps one token
through all retries, and writes `TaskFailed` for a timeout.
"""

import contextvars
import json
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from ministack.core.responses import get_region
from ministack.services import stepfunctions as engine

from gaps import history, machine_role, put_events, redrive, task_tokens
from gaps.retry_and_catch import EXECUTION_ENDED, delay_seconds

_logger = logging.getLogger("states")

_CALLBACK = ".waitForTaskToken"


def execute_task(state: dict, raw_input: Any, execution: dict, ctx: dict) -> tuple[Any, str | None]:
    """Runs a task state to its output and the name of the next state."""
    redrive.remember_context(execution, ctx)
    retries: dict[int, int] = {}
    while True:
        # A copy: the branches of a Parallel state share `ctx`, and must not share a token.
        attempt_ctx = {**ctx, "State": {**ctx["State"], "RetryCount": sum(retries.values())}}
        try:
            output = _attempt(state, raw_input, execution, attempt_ctx)
            return output, engine._next_or_end(state)
        except engine._ExecutionError as failure:
            retrier, index = engine._find_matching_retrier(
                state.get("Retry", []), failure.error, retries
            )
            if retrier is not None:
                time.sleep(delay_seconds(retrier, retries.get(index, 0)))
                retries[index] = retries.get(index, 0) + 1
                continue
            catcher = engine._find_matching_catcher(state.get("Catch", []), failure.error)
            if catcher is None:
                raise
            error_output = {"Error": failure.error, "Cause": failure.cause}
            language = engine._state_query_language(state, ctx)
            output = engine._apply_catcher(catcher, raw_input, attempt_ctx, language, error_output)
            return output, catcher["Next"]


def _attempt(state: dict, raw_input: Any, execution: dict, ctx: dict) -> Any:
    task = task_tokens.open_task(execution)
    # Only now: an execution that ends after this line finds the task and closes it.
    if execution["status"] != "RUNNING":
        task.settle(task_tokens.ExecutionEnded())
        raise _execution_ended()

    resource = state["Resource"]
    is_callback = resource.endswith(_CALLBACK)
    if is_callback:
        ctx["Task"] = {"Token": task.token}
    evaluation = _Evaluation(state, raw_input, execution, ctx)
    arguments = evaluation.run(_arguments)
    timeout = evaluation.run(_seconds, "TimeoutSeconds")
    heartbeat = evaluation.run(_seconds, "HeartbeatSeconds")

    names = _resource_names(resource)
    clocks = {"timeoutInSeconds": timeout, "heartbeatInSeconds": heartbeat}
    _record(
        execution,
        "TaskScheduled",
        {
            **names,
            "region": get_region(),
            "parameters": json.dumps(arguments),
            **{clock: seconds for clock, seconds in clocks.items() if seconds is not None},
        },
    )
    _record(execution, "TaskStarted", names)

    def call_service() -> None:
        try:
            machine_role.require(execution, resource, arguments)
            request = put_events.with_resources(execution, resource, arguments)
            response = engine._invoke_resource(resource.removesuffix(_CALLBACK), request)
        except engine._ExecutionError as failure:
            task.settle(task_tokens.Failed(_error_name(failure), failure.cause))
        except Exception as bug:
            _logger.exception("calling %s", resource)
            task.settle(task_tokens.Failed("States.Runtime", str(bug)))
        else:
            if is_callback:
                submitted = {**names, "output": json.dumps(response)}
                task.while_open(lambda: _record(execution, "TaskSubmitted", submitted))
            else:
                task.settle(task_tokens.Succeeded(response))

    # In a thread of its own, so that a timeout or an early callback need not wait for the service.
    scope = contextvars.copy_context()
    threading.Thread(target=scope.run, args=(call_service,), daemon=True).start()

    match task.wait(timeout, heartbeat if is_callback else None):
        case task_tokens.Succeeded(result):
            _record(execution, "TaskSucceeded", {**names, "output": json.dumps(result)})
            return evaluation.run(_output, result)
        case task_tokens.Failed(error, cause):
            _record(execution, "TaskFailed", {**names, "error": error, "cause": cause})
            raise engine._ExecutionError(error, cause)
        case task_tokens.TimedOut():
            _record(execution, "TaskTimedOut", {**names, "error": "States.Timeout"})
            raise engine._ExecutionError("States.Timeout", "")
        case _:
            raise _execution_ended()


class _Evaluation:
    """Evaluates fields of one attempt, and records in the history what cannot be evaluated."""

    def __init__(self, state: dict, raw_input: Any, execution: dict, ctx: dict) -> None:
        self.state = state
        self.raw_input = raw_input
        self.ctx = ctx
        self.is_jsonata = engine._state_query_language(state, ctx) == "JSONata"
        self._execution = execution

    def run(self, evaluate: Callable[..., Any], *args: Any) -> Any:
        try:
            return evaluate(self, *args)
        except engine._ExecutionError as failure:
            _record(
                self._execution,
                "EvaluationFailed",
                {
                    "state": self.ctx["State"]["Name"],
                    "error": failure.error,
                    "cause": failure.cause,
                },
            )
            raise


def _arguments(of: _Evaluation) -> Any:
    if of.is_jsonata:
        return engine._apply_jsonata_arguments(of.state, of.raw_input, of.ctx)
    effective = engine._apply_input_path(of.state, of.raw_input, of.ctx)
    return engine._apply_parameters(of.state, effective, of.ctx)


def _seconds(of: _Evaluation, field: str) -> int | None:
    path = of.state.get(f"{field}Path")
    if path is not None:
        seconds = engine._resolve_path_or_ctx(path, of.raw_input, of.ctx)
    elif field not in of.state:
        return None
    elif of.is_jsonata:
        seconds = engine._jsonata_state_field(of.state, field, "number", of.raw_input, of.ctx)
    else:
        seconds = of.state[field]
    if not engine._is_num(seconds) or seconds != int(seconds) or seconds <= 0:
        error = "States.QueryEvaluationError" if of.is_jsonata else "States.Runtime"
        raise engine._ExecutionError(error, f"{field} must be a positive integer: {seconds!r}")
    return int(seconds)


def _output(of: _Evaluation, result: Any) -> Any:
    if of.is_jsonata:
        output = engine._apply_jsonata_output(
            of.state, of.raw_input, of.ctx, result=result, default=result
        )
        engine._apply_state_assign(of.state, of.raw_input, of.ctx, result=result)
        return output
    selected = engine._apply_result_selector(of.state, result)
    output = engine._apply_result_path(of.state, of.raw_input, selected)
    return engine._apply_output_path(of.state, output, of.ctx)


def _resource_names(resource: str) -> dict[str, str]:
    """`arn:aws:states:::sqs:sendMessage` reads `sqs` and `sendMessage` in the history."""
    _, _, integration = resource.partition(":::")
    if not integration:
        return {"resourceType": resource.split(":")[2], "resource": resource}
    resource_type, _, action = integration.rpartition(":")
    return {"resourceType": resource_type, "resource": action}


def _error_name(failure: engine._ExecutionError) -> str:
    """A throttled function has a name of its own on AWS, to retry by; the emulator has none."""
    if failure.error == "Lambda.Unknown" and "TooManyRequestsException" in failure.cause:
        return "Lambda.TooManyRequestsException"
    return failure.error


def _execution_ended() -> engine._ExecutionError:
    return engine._ExecutionError(EXECUTION_ENDED, "the execution ended while its task was open")


def _record(execution: dict, event_type: str, details: dict) -> None:
    key = f"{event_type[0].lower()}{event_type[1:]}EventDetails"
    history.add_event(execution, event_type, {key: details})


def install() -> None:
    engine._execute_task = execute_task
    run_sub_machine = engine._run_sub_machine
    # Each branch sees its own `State`, also while the others change theirs.
    engine._run_sub_machine = lambda states, start_at, data, execution, ctx: run_sub_machine(
        states, start_at, data, execution, {**ctx}
    )
