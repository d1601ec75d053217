"""A conditional write of DynamoDB is atomic.

AWS: the condition and the write of one item are one step, whoever else writes the item.

The emulator reads, decides and stores without a lock. Requests over HTTP come one after the other,
but each execution of a state machine writes from a thread of its own.
"""

import threading
from collections.abc import Callable

from ministack.services import dynamodb

_WRITES = (
    "_put_item",
    "_update_item",
    "_delete_item",
    "_batch_write_item",
    "_transact_write_items",
)

_writing = threading.RLock()


def _one_at_a_time(write: Callable[[dict], tuple]) -> Callable[[dict], tuple]:
    def locked(data: dict) -> tuple:
        with _writing:
            return write(data)

    return locked


def install() -> None:
    for name in _WRITES:
        setattr(dynamodb, name, _one_at_a_time(getattr(dynamodb, name)))
