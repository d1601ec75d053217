"""The processes that run functions: their environment, their logs, their end.

AWS gives every execution environment credentials of its own and the settings of the function's
`LoggingConfig` (`AWS_LAMBDA_LOG_FORMAT`; with JSON also `AWS_LAMBDA_LOG_LEVEL`). The emulator gives
all environments of a function the same access key, and leaves the log settings out.

One access key for each process also tells, for any request, which process sent it.

A process that waits for its next invocation costs the emulator nothing. By itself, the emulator wakes
two threads up ten times a second for each: after a crowd, some hundred processes kept its
interpreter so busy that it answered nobody.
"""

import json
import queue
import secrets
import socket
import socketserver
import subprocess
import threading
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ministack import app
from ministack.core import lambda_runtime
from ministack.services import lambda_svc, sts

_original_execution_credentials = lambda_runtime.execution_credentials
_original_worker_env = lambda_svc._provided_worker_env
_original_register_session = sts.register_session
_original_record_result = lambda_runtime.ProvidedWorker._record_result

# How often what waits looks whether it should still wait. Nothing depends on it.
_IDLE_SECONDS = 10


class FunctionProcesses:
    """Starts and ends function processes.

    Copies what they write to `<log_dir>/<function>.log` and what they answer, results and errors,
    to `<log_dir>/<function>.answers`, one JSON document a line.
    """

    def __init__(self, log_dir: Path) -> None:
        self._log_dir = log_dir
        self._by_access_key: dict[str, subprocess.Popen] = {}
        self._changing = threading.Lock()
        self._closed = False

    def start(self, command: list[str], *, env: dict[str, str], **options: Any) -> subprocess.Popen:
        """Stands in for `subprocess.Popen` where the emulator starts functions."""
        with self._changing:
            if self._closed:
                raise RuntimeError("the local stack is stopping")
            process = subprocess.Popen(command, env=env, **options)
            for key, other in list(self._by_access_key.items()):
                if other.poll() is not None:
                    del self._by_access_key[key]
            self._by_access_key[env["AWS_ACCESS_KEY_ID"]] = process
        log = self._log_dir / f"{env['AWS_LAMBDA_FUNCTION_NAME']}.log"
        if options.get("stderr") == subprocess.STDOUT:
            process.stdout = _Copied(process.stdout, log)
        else:
            # The emulator's own Python runtime answers on stdout; functions write to stderr.
            process.stderr = _Copied(process.stderr, log)
        return process

    def answered(self, function: str, answer: Any) -> None:
        line = json.dumps(answer).encode() + b"\n"
        with (self._log_dir / f"{function}.answers").open("ab", buffering=0) as answers:
            answers.write(line)

    def kill(self, access_key: str) -> None:
        """SIGKILL for the one process that signs with this key; it is gone on return."""
        process = self._by_access_key.get(access_key)
        if process is not None:
            process.kill()
            process.wait()

    def kill_all(self) -> None:
        """SIGKILL for every process; none is left, and none can start afterwards."""
        with self._changing:
            self._closed = True
            for process in self._by_access_key.values():
                process.kill()
            for process in self._by_access_key.values():
                process.wait()


class _Copied:
    """A stream of lines that are written to a file as they are read, each at once."""

    def __init__(self, stream: Any, path: Path) -> None:
        self._stream = stream
        # Unbuffered and appending: environments of one function share the file, by whole lines.
        self._copy = path.open("ab", buffering=0)

    def readline(self) -> bytes | str:
        line = self._stream.readline()
        if line:
            content = line.encode() if isinstance(line, str) else line
            self._copy.write(content if content.endswith(b"\n") else content + b"\n")
        return line

    def __iter__(self) -> Iterator[bytes | str]:
        while line := self.readline():
            yield line

    def close(self) -> None:
        self._copy.close()
        self._stream.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def function_of(access_key: str) -> str | None:
    """The name of the function that signs with this key."""
    arn = (sts._sessions.get(access_key) or {}).get("Arn", "")
    kind, _, session = arn.partition(":assumed-role/")
    return session.rpartition("/")[2] if kind and session else None


_registering_session = threading.Lock()


def register_session(access_key: str, session: dict) -> None:
    """One at a time: it goes through all sessions, and fails when another thread adds one meanwhile."""
    with _registering_session:
        _original_register_session(access_key, session)


def execution_credentials(config: dict) -> dict[str, str]:
    credentials = _original_execution_credentials(config)
    if app.AUTH:
        session = dict(sts._sessions[credentials["AWS_ACCESS_KEY_ID"]])
        credentials["AWS_ACCESS_KEY_ID"] = f"ASIA{secrets.token_hex(8).upper()}"
        sts.register_session(credentials["AWS_ACCESS_KEY_ID"], session)
    return credentials


def worker_env(config: dict, code_dir: str, port: int) -> dict[str, str]:
    env = _original_worker_env(config, code_dir, port)
    logging_config = config.get("LoggingConfig") or {}
    env["AWS_LAMBDA_LOG_FORMAT"] = logging_config.get("LogFormat", "Text")
    if env["AWS_LAMBDA_LOG_FORMAT"] == "JSON":
        env["AWS_LAMBDA_LOG_LEVEL"] = logging_config.get("ApplicationLogLevel", "INFO")
    return env


class _PatientQueue(queue.Queue):
    """The next invocation of a process: its arrival ends the wait, not a short timeout."""

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        next_invocation = self.maxsize == 1
        return super().get(block, _IDLE_SECONDS if next_invocation and timeout else timeout)


class _PatientServer(socketserver.ThreadingTCPServer):
    """The Runtime API of one process: a connection ends the wait, not a short poll."""

    def serve_forever(self, poll_interval: float = 0.5) -> None:
        super().serve_forever(max(poll_interval, _IDLE_SECONDS))

    def shutdown(self) -> None:
        waiting = threading.Thread(target=super().shutdown)
        waiting.start()
        while waiting.is_alive():
            # The request to stop is noticed with the next connection.
            with socket.socket() as knock:
                knock.settimeout(1)
                knock.connect_ex(self.server_address)
            waiting.join(timeout=0.01)


def environment_of_all_functions() -> dict[str, str]:
    """For a person who runs one function by hand against the stack: each reads its own variables."""
    variables: dict[str, str] = {}
    for function in lambda_svc._functions._data.values():
        variables |= (function["config"].get("Environment") or {}).get("Variables", {})
    return variables


def install(processes: FunctionProcesses) -> None:
    lambda_runtime.subprocess = types.SimpleNamespace(
        **{**vars(subprocess), "Popen": processes.start}
    )
    lambda_runtime.queue = types.SimpleNamespace(**{**vars(queue), "Queue": _PatientQueue})
    # The emulator imports the module where it starts a server.
    socketserver.ThreadingTCPServer = _PatientServer
    for module in (lambda_runtime, lambda_svc):
        module.execution_credentials = execution_credentials
    lambda_svc._provided_worker_env = worker_env
    sts.register_session = register_session

    def record_result(worker: Any, generation: int, request_id: str, kind: str, payload: Any) -> bool:
        processes.answered(worker.func_name, payload)
        return _original_record_result(worker, generation, request_id, kind, payload)

    lambda_runtime.ProvidedWorker._record_result = record_result
