"""Starts the emulator of the local stack, with its gaps against AWS closed.

    <venv>/bin/python local/launcher/launch.py --log-dir DIR --artifact-bucket NAME [--artifacts DIR]

GATEWAY_PORT says on which port of 127.0.0.1. It runs until stdin ends or a SIGTERM or SIGINT comes,
and takes every function process with it; what it leaves is the log folder with `record.json`. `gaps`
says what it changes, `fault_injection` and `run_record` what they offer to tests.
"""

import argparse
import asyncio
import importlib.metadata
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fault_injection import FaultInjection
    from front_door import FrontDoor
    from function_processes import FunctionProcesses

MINISTACK_VERSION = "1.5.33"
HOST = "127.0.0.1"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--log-dir", type=Path, required=True, help="for one log file a function")
    parser.add_argument("--artifact-bucket", required=True, help="S3 bucket to create")
    parser.add_argument("--artifacts", type=Path, help="folder with what the bucket holds, kept")
    arguments = parser.parse_args()

    require_pinned_emulator()
    listener = listen(os.environ.get("GATEWAY_PORT") or sys.exit("GATEWAY_PORT is not set"))
    arguments.log_dir.mkdir(parents=True, exist_ok=True)

    # Only now: the emulator reads its settings, and takes a second, when it is imported.
    from ministack import app

    import artifacts
    import function_processes
    import gaps
    import run_record
    from fault_injection import FaultInjection
    from front_door import FrontDoor

    gaps.close()
    run_record.install()
    processes = function_processes.FunctionProcesses(arguments.log_dir)
    function_processes.install(processes)
    stop_with(processes, lambda: run_record.write(arguments.log_dir))
    artifacts.create_bucket(arguments.artifact_bucket, arguments.artifacts)
    serve(FrontDoor(FaultInjection(app.app, processes)), listener)


def require_pinned_emulator() -> None:
    try:
        version = importlib.metadata.version("ministack")
    except importlib.metadata.PackageNotFoundError:
        version = "none"
    if version != MINISTACK_VERSION:
        sys.exit(f"launch.py needs ministack {MINISTACK_VERSION}, but {version} is installed")


def listen(port: str) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, int(port)))
        listener.listen()
    except OSError as error:
        sys.exit(f"cannot listen on {HOST}:{port} (GATEWAY_PORT): {error.strerror}")
    return listener


def stop_with(processes: "FunctionProcesses", leave: Callable[[], None]) -> None:
    """Arranges that the end of stdin, or a signal, ends everything at once."""

    def stop(*_signal: object) -> None:
        # Not from the signal handler itself, which may have interrupted the holder of a lock.
        threading.Thread(target=end).start()

    def end() -> None:
        try:
            processes.kill_all()
            leave()
        finally:
            os._exit(0)

    def wait_for_the_end_of_stdin() -> None:
        while sys.stdin.buffer.read(4096):
            pass
        end()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    threading.Thread(target=wait_for_the_end_of_stdin, daemon=True).start()


def serve(application: "FaultInjection", listener: socket.socket) -> None:
    from hypercorn.asyncio import serve as hypercorn_serve
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.keep_alive_timeout = 75  # Longer than the SDKs keep idle connections.
    config.loglevel = os.environ.get("LOG_LEVEL", "INFO").upper()
    # Without a trigger, hypercorn would put its own signal handlers over ours.
    asyncio.run(hypercorn_serve(application, config, shutdown_trigger=asyncio.Event().wait))


if __name__ == "__main__":
    main()
