"""What `SendTask*` is authorized against.

AWS: the ARN of the state machine whose task waits, so that a policy can be scoped to the machine.
A token that was never issued belongs to no machine: whoever may call the operation on some machine
is answered `InvalidToken`.

The emulator authorizes against `*`, which a scoped policy does not allow.
"""

import contextvars
import json
from typing import Any

from ministack.core import iam_actions, iam_evaluator
from ministack.services import stepfunctions as engine

from gaps import task_tokens

_original_extract_resource_arn = iam_actions.extract_resource_arn
_original_enforce = iam_evaluator.enforce

_of_no_machine = contextvars.ContextVar("token of no machine", default=False)


def is_of_no_machine() -> bool:
    """Whether the request that is authorized now has a task token that was never issued."""
    return _of_no_machine.get()


def extract_resource_arn(
    service: str, method: str, path: str, headers: dict, body: bytes, *rest: Any
) -> str:
    task = _waiting_task(body) if service == "states" else None
    if task is not None:
        return task.machine_arn
    return _original_extract_resource_arn(service, method, path, headers, body, *rest)


def enforce(
    access_key_id: str,
    iam_action: str,
    service: str,
    region: str,
    resource_arn: str = "*",
    service_context: dict | None = None,
) -> Any:
    def of(resource: str) -> Any:
        return _original_enforce(
            access_key_id, iam_action, service, region, resource, service_context
        )

    if not iam_action.startswith("states:SendTask") or resource_arn != "*":
        return of(resource_arn)
    before = _of_no_machine.set(True)
    try:
        answers = (of(machine) for machine in ["*", *engine._state_machines.keys()])
        denied = None
        for denied in answers:
            if denied is None:
                return None
        return denied
    finally:
        _of_no_machine.reset(before)


def _waiting_task(body: bytes) -> task_tokens.Task | None:
    try:
        return task_tokens.find(json.loads(body)["taskToken"])
    except (ValueError, KeyError, TypeError):
        return None


def install() -> None:
    iam_actions.extract_resource_arn = extract_resource_arn
    iam_evaluator.enforce = enforce
