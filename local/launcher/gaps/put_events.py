"""A state that puts events.

AWS: Step Functions appends the ARNs of the state machine and of the execution to the `Resources` of
every entry, and fails the task with `EventBridge.FailedEntry` when the bus refuses an entry.

The emulator appends nothing and succeeds.
"""

import json
from typing import Any

from ministack.services import eventbridge
from ministack.services import stepfunctions as engine

_RESOURCE = "arn:aws:states:::events:putEvents"


def with_resources(execution: dict, resource: str, arguments: Any) -> Any:
    """The arguments of the task's call, as Step Functions completes them."""
    if resource.partition(".")[0] != _RESOURCE or not isinstance(arguments, dict):
        return arguments
    arns = [execution["stateMachineArn"], execution["executionArn"]]
    entries = [
        {**entry, "Resources": [*entry.get("Resources", []), *arns]}
        for entry in arguments.get("Entries", [])
    ]
    return {**arguments, "Entries": entries}


def put_events(_resource: str, arguments: dict) -> dict:
    status, _, body = eventbridge._put_events(arguments)
    result = json.loads(body)
    if status >= 400:
        name = result.get("__type", "AmazonEventBridgeException").rpartition("#")[2]
        raise engine._ExecutionError(f"EventBridge.{name}", result.get("message", ""))
    if result["FailedEntryCount"]:
        raise engine._ExecutionError("EventBridge.FailedEntry", json.dumps(result))
    return result


def install() -> None:
    engine._SERVICE_DISPATCH[_RESOURCE] = put_events
