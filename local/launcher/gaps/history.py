"""The execution history.

AWS: an event names the one before it (`previousEventId`; none for the first state entered), ids
are unique, and the event that ends the execution is the last, unless it is redriven.

The emulator leaves `previousEventId` out, numbers events without a lock, and goes on writing after
the execution ended.
"""

import threading

from ministack.services import stepfunctions as engine

_LAST = {"ExecutionSucceeded", "ExecutionFailed", "ExecutionTimedOut", "ExecutionAborted"}

_original_add_event = engine._add_event
_writing = threading.Lock()


def add_event(execution: dict, event_type: str, details: dict | None = None) -> dict:
    with _writing:
        events = execution["events"]
        if events and events[-1]["type"] in _LAST and event_type != "ExecutionRedriven":
            return events[-1]
        event = _original_add_event(execution, event_type, details)
        event["previousEventId"] = event["id"] - 1 if event["id"] > 2 else 0
        return event


def install() -> None:
    engine._add_event = add_event
