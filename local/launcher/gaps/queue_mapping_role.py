"""An SQS event source mapping reads its queue with the function's role.

AWS: the role needs `sqs:ReceiveMessage`, `sqs:DeleteMessage` and `sqs:GetQueueAttributes` on the
queue, or nothing is delivered.

The emulator delivers whatever the role.
"""

import logging

from ministack.services import lambda_svc

from gaps.role_policies import role_allows

_logger = logging.getLogger("lambda")

_ACTIONS = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")

_original_concurrency = lambda_svc._sqs_esm_concurrency
_refused: set[str] = set()


def concurrency(mapping: dict, function: dict, config: dict, queue: dict | None = None) -> int:
    """How many batches may be in flight: none for a role that may not read the queue."""
    missing = [
        action
        for action in _ACTIONS
        if not role_allows(config.get("Role", ""), action, mapping["EventSourceArn"])
    ]
    if not missing:
        _refused.discard(mapping["UUID"])
        # A template's parameter is a string.
        return int(_original_concurrency(mapping, function, config, queue))
    if mapping["UUID"] not in _refused:
        _refused.add(mapping["UUID"])
        _logger.warning(
            "The role of %s lacks %s: nothing of %s is delivered",
            config.get("FunctionName"),
            ", ".join(missing),
            mapping["EventSourceArn"],
        )
    return 0


def install() -> None:
    lambda_svc._sqs_esm_concurrency = concurrency
