"""How an execution ends.

AWS: an execution that runs longer than its machine's `TimeoutSeconds` ends `TIMED_OUT`, with the
event `ExecutionTimedOut` and a status change on the event bus. However an execution ends (also by
`StopExecution`), its open tasks close: their tokens are refused from then on.

The emulator ignores the machine's `TimeoutSeconds`, and lets tasks of a stopped execution wait on,
to overwrite its status later.
"""

import contextlib
import contextvars
import json
import threading
from collections.abc import Iterator

from ministack.core.responses import now_iso
from ministack.services import stepfunctions as engine

from gaps import history, task_tokens

_original_run_execution = engine._run_execution
_original_stop_execution = engine._stop_execution
_original_fail_execution = engine._fail_execution


def run_execution(execution_arn: str) -> None:
    with clock_of_machine(engine._executions[execution_arn]):
        _original_run_execution(execution_arn)


@contextlib.contextmanager
def clock_of_machine(execution: dict) -> Iterator[None]:
    """Ends the execution when the machine's time is over, and whatever it has open at the end."""
    seconds = _machine_timeout(execution)
    timer = None
    if seconds is not None:
        scope = contextvars.copy_context()
        timer = threading.Timer(seconds, scope.run, (_time_out, execution))
        timer.daemon = True
        timer.start()
    try:
        yield
    finally:
        if timer is not None:
            timer.cancel()
        task_tokens.close_all_of(execution["executionArn"])


def stop_execution(data: dict) -> tuple:
    response = _original_stop_execution(data)
    if response[0] == 200:
        task_tokens.close_all_of(data["executionArn"])
    return response


def fail_execution(execution: dict, error: str, cause: str) -> None:
    if execution["status"] == "RUNNING":
        _original_fail_execution(execution, error, cause)


def _machine_timeout(execution: dict) -> float | None:
    machine = engine._state_machines.get(execution["stateMachineArn"], {})
    try:
        return json.loads(machine["definition"]).get("TimeoutSeconds")
    except (KeyError, ValueError):
        return None  # The emulator fails such an execution by itself.


def _time_out(execution: dict) -> None:
    if execution["status"] != "RUNNING":
        return
    execution["status"] = "TIMED_OUT"
    execution["stopDate"] = now_iso()
    history.add_event(execution, "ExecutionTimedOut", {"executionTimedOutEventDetails": {}})
    task_tokens.close_all_of(execution["executionArn"])
    engine._emit_execution_status_event(execution)


def install() -> None:
    engine._run_execution = run_execution
    engine._stop_execution = stop_execution
    engine._fail_execution = fail_execution
