"""A rule of EventBridge invokes a function asynchronously.

AWS: an invocation that fails is tried twice more, and its event then goes to the function's
dead-letter queue or `OnFailure` destination.

The emulator invokes once and drops the event. Its own asynchronous invocation does all of that, with
seconds between the attempts instead of AWS's minutes.
"""

import json

from ministack.services import eventbridge, lambda_svc

_original_dispatch_to_lambda = eventbridge._dispatch_to_lambda


def dispatch_to_lambda(arn: str, payload: str) -> None:
    function, config, _ = lambda_svc._get_func_record_for_ref(arn)
    if not function or not config:
        _original_dispatch_to_lambda(arn, payload)  # Says in the log that it is missing.
        return
    record = lambda_svc._execution_record_for_config(function, config)
    lambda_svc.invoke_async_with_retry(record, json.loads(payload))


def install() -> None:
    eventbridge._dispatch_to_lambda = dispatch_to_lambda
