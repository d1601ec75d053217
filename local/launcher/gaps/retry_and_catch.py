"""Which errors a `Retry` or `Catch` takes, and how long a retry waits.

AWS: `States.TaskFailed` matches any error but timeouts; `States.ALL` matches any but
`States.DataLimitExceeded` and `States.Runtime`, which cannot be caught. `MaxDelaySeconds` caps the
backoff and `JitterStrategy: FULL` draws the delay between zero and the backoff.

The emulator lets `States.TaskFailed` take `States.HeartbeatTimeout`, `States.ALL` take everything,
and ignores both delay fields.
"""

import random

from ministack.services import stepfunctions as engine

# Passes through every Retry and Catch: the execution is over, so nothing may run for it.
EXECUTION_ENDED = "ExecutionEnded"

_TIMEOUTS = {"States.Timeout", "States.HeartbeatTimeout"}
_NOT_CAUGHT = {"States.DataLimitExceeded", "States.Runtime", EXECUTION_ENDED}


def error_matches(error_equals: list[str], error: str) -> bool:
    if error in error_equals:
        return error != EXECUTION_ENDED
    if error in _NOT_CAUGHT:
        return False
    return "States.ALL" in error_equals or (
        "States.TaskFailed" in error_equals and error not in _TIMEOUTS
    )


def delay_seconds(retrier: dict, retries_so_far: int) -> float:
    delay = retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2.0) ** retries_so_far
    delay = min(delay, retrier.get("MaxDelaySeconds", delay))
    return random.uniform(0, delay) if retrier.get("JitterStrategy") == "FULL" else delay


def install() -> None:
    engine._error_matches = error_matches
