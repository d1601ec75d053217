"""A function that feeds the queue which feeds it is stopped.

AWS: a function's SDK hands on the trace header of the invocation, SQS keeps it with the message, and
the header's lineage counts how often each function was invoked in the chain. After about 16
invocations, Lambda takes the next message for a loop: unless the function's `RecursiveLoop` is
`Allow`, the message goes to the queue's dead-letter queue, or is dropped.

The emulator counts only direct invocations of functions in Python.
"""

import contextvars
import logging
import re
import zlib
from typing import Any

from ministack import app
from ministack.services import lambda_svc, sqs

_logger = logging.getLogger("lambda")

_original_run_sqs_batch = lambda_svc._run_sqs_batch
_original_trace_id = lambda_svc._xray_trace_id_for_invocation
_original_handle_request = sqs.handle_request
_original_send_attributes = sqs._build_send_sys_attrs

# The trace headers of the invocation that begins, and of the request to SQS that is handled.
_of_invocation: contextvars.ContextVar[str | None] = contextvars.ContextVar(
    "trace_of_invocation", default=None
)
_of_request: contextvars.ContextVar[str | None] = contextvars.ContextVar(
    "trace_of_request", default=None
)


def run_sqs_batch(
    mapping: dict, function: dict, event: dict, batch: list[dict], url: str, queue: str
) -> None:
    configuration = function["config"]
    name = configuration["FunctionName"]
    counts = {message["id"]: _invocations(message, name) for message in batch}
    if lambda_svc._functions[name].get("recursive_loop") != "Allow":
        loops = {id for id, count in counts.items() if count >= lambda_svc.MAX_INVOKE_DEPTH}
        for message in batch:
            if message["id"] in loops:
                _logger.warning("%s is in a loop with %s: the message is not delivered", name, queue)
                _dead_letter(url, message)
        batch = [message for message in batch if message["id"] not in loops]
        event = {"Records": [r for r in event["Records"] if r["messageId"] not in loops]}
    if not batch:
        return
    trace = _original_trace_id({"TracingConfig": {"Mode": "Active"}})
    count = max(counts[message["id"]] for message in batch) + 1
    token = _of_invocation.set(f"{trace};Lineage=1:{_hash(name)}:{count}")
    try:
        _original_run_sqs_batch(mapping, function, event, batch, url, queue)
    finally:
        _of_invocation.reset(token)


def _invocations(message: dict, function: str) -> int:
    """How often the function was invoked in the chain that led to the message."""
    header = message.get("sys", {}).get("AWSTraceHeader", "")
    lineage = re.search(rf"Lineage=\d+:{_hash(function)}:(\d+)", header)
    return int(lineage[1]) if lineage else 0


def _hash(function: str) -> str:
    return f"{zlib.crc32(function.encode()):08x}"


def _dead_letter(url: str, message: dict) -> None:
    with sqs._queues_lock:
        queue = sqs._get_q(url)
        # As after the last of its receives.
        message["receive_count"], message["visible_at"] = 1000, 0
        sqs._dlq_sweep(queue)
        queue["messages"] = [kept for kept in queue["messages"] if kept["id"] != message["id"]]


def trace_id(configuration: dict, inbound: str | None = None) -> str | None:
    return _of_invocation.get() or _original_trace_id(configuration, inbound)


async def handle_request(method: str, path: str, headers: dict, *rest: Any) -> tuple:
    _of_request.set(headers.get("x-amzn-trace-id"))
    return await _original_handle_request(method, path, headers, *rest)


def send_attributes(now: float, given: dict) -> dict:
    trace = _of_request.get()
    attributes = {"AWSTraceHeader": trace} if trace else {}
    return attributes | _original_send_attributes(now, given)


def install() -> None:
    lambda_svc._run_sqs_batch = run_sqs_batch
    lambda_svc._xray_trace_id_for_invocation = trace_id
    app.SERVICE_HANDLERS["sqs"] = handle_request
    sqs._build_send_sys_attrs = send_attributes
