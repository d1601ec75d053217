"""`RedriveExecution`.

AWS: restarts an execution that did not succeed, from the state it ended in, with that state's
input, under the same ARN. The state is not entered anew: a task is scheduled again, with its clocks
and retries from the start, and `$states.context.Execution.RedriveCount` counts; a Fail state just
fails again. The timeout of the machine starts again.

The emulator has no such operation. Simplified: a Parallel or Map state is rerun whole, not only its
failed branches; the states after the first are not entered in the history; an execution that ran no
task cannot be redriven, nor safely one that was stopped in a Wait state which has not run out.
"""

import contextvars
import json
import threading
from typing import Any

from ministack.core.responses import error_response_json, json_response, now_iso
from ministack.services import stepfunctions as engine

from gaps import execution_end, history

_NOT_REDRIVABLE = ("RUNNING", "SUCCEEDED")

_original_handle_request = engine.handle_request
_original_describe_execution = engine._describe_execution
_contexts: dict[str, dict] = {}


def remember_context(execution: dict, ctx: dict) -> None:
    """Keeps what a redrive goes on with: the execution's variables, and who it is."""
    ctx["Execution"].setdefault("RedriveCount", 0)
    _contexts.setdefault(execution["executionArn"], ctx)


async def handle_request(
    method: str, path: str, headers: dict, body: bytes, query_params: dict
) -> tuple:
    if headers.get("x-amz-target", "").endswith(".RedriveExecution"):
        return engine._finalize_response(_redrive_execution(json.loads(body)))
    return await _original_handle_request(method, path, headers, body, query_params)


def _redrive_execution(data: dict) -> tuple:
    arn = data.get("executionArn")
    execution = engine._executions.get(arn)
    if execution is None:
        message = f"Execution Does Not Exist: '{arn}'"
        return error_response_json("ExecutionDoesNotExist", message, 400)
    if execution["status"] in _NOT_REDRIVABLE or arn not in _contexts:
        message = f"Execution '{arn}' is not redrivable"
        return error_response_json("ExecutionNotRedrivable", message, 400)

    count = execution.get("redriveCount", 0) + 1
    redriven_at = now_iso()
    execution.update(
        status="RUNNING",
        stopDate=None,
        output=None,
        error=None,
        cause=None,
        redriveCount=count,
        redriveDate=redriven_at,
    )
    _contexts[arn]["Execution"].update(RedriveCount=count, RedriveTime=redriven_at)
    history.add_event(
        execution, "ExecutionRedriven", {"executionRedrivenEventDetails": {"redriveCount": count}}
    )
    engine._emit_execution_status_event(execution)
    scope = contextvars.copy_context()
    threading.Thread(target=scope.run, args=(_resume, execution), daemon=True).start()
    return json_response({"redriveDate": redriven_at})


def _resume(execution: dict) -> None:
    entered = next(e for e in reversed(execution["events"]) if e["type"].endswith("StateEntered"))
    name = entered["stateEnteredEventDetails"]["name"]
    state_input = json.loads(entered["stateEnteredEventDetails"]["input"])
    machine = engine._state_machines[execution["stateMachineArn"]]
    states = json.loads(machine["definition"])["States"]
    ctx = _contexts[execution["executionArn"]]
    ctx["State"] = {"Name": name, "EnteredTime": entered["timestamp"], "RetryCount": 0}

    def run() -> Any:
        if states[name]["Type"] != "Task":
            return engine._run_sub_machine(states, name, state_input, execution, ctx)
        output, following = engine._execute_task(states[name], state_input, execution, ctx)
        return engine._run_sub_machine(states, following, output, execution, ctx)

    with execution_end.clock_of_machine(execution):
        try:
            output = json.dumps(run())
        except engine._ExecutionError as failure:
            engine._fail_execution(execution, failure.error, failure.cause)
            return
        if execution["status"] == "RUNNING":
            execution.update(status="SUCCEEDED", output=output, stopDate=now_iso())
            details = {"executionSucceededEventDetails": {"output": output}}
            history.add_event(execution, "ExecutionSucceeded", details)
            engine._emit_execution_status_event(execution)


def describe_execution(data: dict) -> tuple:
    status, headers, body = _original_describe_execution(data)
    execution = engine._executions.get(data.get("executionArn"))
    if execution is None:
        return status, headers, body
    redrivable = execution["status"] not in _NOT_REDRIVABLE
    description = {
        **json.loads(body),
        "redriveCount": execution.get("redriveCount", 0),
        "redriveStatus": "REDRIVABLE" if redrivable else "NOT_REDRIVABLE",
    }
    if "redriveDate" in execution:
        description["redriveDate"] = execution["redriveDate"]
    return json_response(description)


def install() -> None:
    engine.handle_request = handle_request
    engine._describe_execution = describe_execution
