"""Faults in the calls that functions make, for tests, and a record of those calls.

    POST   /_local/faults      {"function": NAME, "operation": "states:SendTaskSuccess",
                                "when": "before" | "after",
                                "action": "kill" | {"error", "status"?, "message"?}, "times"?: 1}
    GET    /_local/faults      every armed fault with `fired`, how often it struck
    DELETE /_local/faults      ?function=NAME disarms those of the function, else all
    GET    /_local/requests    ?function=NAME  [{"function", "operation", "time"}], oldest first
    GET    /_local/record      what the run has shown so far, see `run_record`
    GET    /_local/environment the environment variables of all functions, in one object
    POST   /_local/appflow     {"flow": NAME, "runs"?: 1, "events"?: 1, "hold_seconds"?,
                                "answer_after_seconds"?, "refuse"?: ERROR}
    DELETE /_local/appflow     ?flow=NAME lets the runs of the flow, else all, go as they usually do

A fault strikes the next `times` calls of the operation (its IAM action) that come from the
function. `kill` is SIGKILL for the process that made the call; `after` means that the call was
carried out and its answer is not sent. Functions are known by their credentials, which they only
have with AUTH=true. Bodies are never recorded: they hold task tokens.

What is posted to `appflow` is how the next `runs` runs of the flow go: how long they take, how often
their end is reported, whether `StartFlow` answers late or refuses.
"""

import json
import time
import uuid
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import parse_qs

from ministack.core.iam_actions import access_denied_response, extract_iam_action
from ministack.core.router import detect_service, extract_access_key_id

import gaps.appflow
import run_record
from function_processes import FunctionProcesses, environment_of_all_functions, function_of
from gaps.flow_runs import Behaviour

Receive = Callable[[], Awaitable[dict]]
Send = Callable[[dict], Awaitable[None]]
App = Callable[[dict, Receive, Send], Awaitable[None]]

_REQUESTS_KEPT = 10_000


@dataclass
class Fault:
    function: str
    operation: str
    when: str
    action: str | dict
    times: int = 1
    fired: int = 0

    def __post_init__(self) -> None:
        if self.when not in ("before", "after"):
            raise ValueError('"when" must be "before" or "after"')
        if self.action != "kill" and not (isinstance(self.action, dict) and "error" in self.action):
            raise ValueError('"action" must be "kill" or {"error": ...}')

    def strikes(self, function: str, operation: str) -> bool:
        """Whether this call is struck; if so, it is counted."""
        struck = (
            self.fired < self.times and self.function == function and self.operation == operation
        )
        self.fired += struck
        return struck


class FaultInjection:
    """An ASGI application around the emulator's. It runs on one event loop, so it needs no lock."""

    def __init__(self, emulator: App, processes: FunctionProcesses) -> None:
        self._emulator = emulator
        self._processes = processes
        self._faults: list[Fault] = []
        self._requests: deque[dict] = deque(maxlen=_REQUESTS_KEPT)

    async def __call__(self, scope: dict, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._emulator(scope, receive, send)
        elif scope["path"].startswith("/_local/"):
            await self._administer(scope, receive, send)
        else:
            await self._call(scope, receive, send)

    async def _call(self, scope: dict, receive: Receive, send: Send) -> None:
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        query = parse_qs(scope["query_string"].decode(), keep_blank_values=True)
        access_key = extract_access_key_id(headers, query) or ""
        function = function_of(access_key)
        if function is None:
            await self._emulator(scope, receive, send)
            return
        method, path = scope["method"], scope["path"]
        service = detect_service(method, path, headers, query)
        operation = extract_iam_action(service, method, path, headers, b"", query) or service
        self._requests.append({"function": function, "operation": operation, "time": time.time()})
        fault = next((f for f in self._faults if f.strikes(function, operation)), None)
        if fault is None:
            await self._emulator(scope, receive, send)
            return
        if fault.when == "after":
            await self._emulator(scope, receive, _discard)
        if fault.action == "kill":
            self._processes.kill(access_key)
        else:
            await _send(send, *_refusal(service, operation, fault.action, headers))

    async def _administer(self, scope: dict, receive: Receive, send: Send) -> None:
        match scope["method"], scope["path"]:
            case "POST", "/_local/faults":
                try:
                    fault = Fault(**json.loads(await _body(receive)))
                except (TypeError, ValueError) as error:
                    await _send_json(send, 400, {"message": str(error)})
                    return
                self._faults.append(fault)
                await _send_json(send, 201, asdict(fault))
            case "GET", "/_local/faults":
                await _send_json(send, 200, [asdict(fault) for fault in self._faults])
            case "DELETE", "/_local/faults":
                wanted = parse_qs(scope["query_string"].decode()).get("function")
                self._faults = [f for f in self._faults if wanted and f.function not in wanted]
                await _send_json(send, 200, [asdict(fault) for fault in self._faults])
            case "GET", "/_local/requests":
                wanted = parse_qs(scope["query_string"].decode()).get("function")
                requests = [r for r in self._requests if not wanted or r["function"] in wanted]
                await _send_json(send, 200, requests)
            case "GET", "/_local/environment":
                await _send_json(send, 200, environment_of_all_functions())
            case "GET", "/_local/record":
                await _send_json(send, 200, run_record.record())
            case "POST", "/_local/appflow":
                try:
                    behaviour = Behaviour(**json.loads(await _body(receive)))
                except (TypeError, ValueError) as error:
                    await _send_json(send, 400, {"message": str(error)})
                    return
                left = gaps.appflow.behave(behaviour)
                await _send_json(send, 201, [asdict(behaviour) for behaviour in left])
            case "DELETE", "/_local/appflow":
                wanted = parse_qs(scope["query_string"].decode()).get("flow")
                left = gaps.appflow.forget(wanted)
                await _send_json(send, 200, [asdict(behaviour) for behaviour in left])
            case _:
                await _send_json(send, 404, {"message": "see local/launcher/fault_injection.py"})


def _refusal(service: str, operation: str, error: dict, headers: dict) -> tuple[int, dict, bytes]:
    """The error in the protocol of the service."""
    _, reply_headers, body = access_denied_response(
        service,
        operation,
        "",
        str(uuid.uuid4()),
        error_code=error["error"],
        message=error.get("message", "Injected."),
        headers=headers,
    )
    return error.get("status", 400), reply_headers, body


async def _discard(_message: dict) -> None:
    """A `send` for an answer that the caller never gets."""


async def _body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def _send_json(send: Send, status: int, content: Any) -> None:
    await _send(send, status, {"Content-Type": "application/json"}, json.dumps(content).encode())


async def _send(send: Send, status: int, headers: dict, body: bytes) -> None:
    fields = [(name.lower().encode(), str(value).encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})
