"""Requests over loopback count as secure transport.

AWS: queues and buckets whose policy denies `"aws:SecureTransport": "false"` refuse plain HTTP.

Locally everything is plain HTTP and none of it leaves the machine. A policy that is right on AWS
must not lock the local stack out of its own queues and buckets.
"""

import contextvars
import ipaddress

from ministack import app
from ministack.core import iam_evaluator

_original_pin_request_origin = iam_evaluator.pin_request_origin


def pin_request_origin(source_ip: str, secure_transport: bool) -> None:
    local = ipaddress.ip_address(source_ip).is_loopback
    _original_pin_request_origin(source_ip, secure_transport or local)


def install() -> None:
    app.pin_request_origin = pin_request_origin
    # The default is for work that no request started, such as polling a queue.
    iam_evaluator._request_origin = contextvars.ContextVar(
        "request_origin", default=("127.0.0.1", True)
    )
