"""A rule of EventBridge invokes a function asynchronously.

AWS: an invocation that fails is tried twice more, and its event then goes to the function's
dead-letter queue or `OnFailure` destination, if the function's role may send to it.

The emulator invokes once and drops the event. Its own asynchronous invocation does all of that, with
seconds between the attempts instead of AWS's minutes, but for any role.
"""

import json
import logging

from ministack.services import eventbridge, lambda_svc

from gaps.role_policies import role_allows

_logger = logging.getLogger("lambda")

_original_route_async_failure = lambda_svc._route_async_failure
_original_dispatch_to_lambda = eventbridge._dispatch_to_lambda


def dispatch_to_lambda(arn: str, payload: str) -> None:
    function, config, _ = lambda_svc._get_func_record_for_ref(arn)
    if not function or not config:
        _original_dispatch_to_lambda(arn, payload)  # Says in the log that it is missing.
        return
    record = lambda_svc._execution_record_for_config(function, config)
    lambda_svc.invoke_async_with_retry(record, json.loads(payload))


def route_async_failure(target_arn: str, function: str, event: dict, result: dict) -> None:
    role = lambda_svc._functions[function]["config"]["Role"]
    if ":sqs:" in target_arn and not role_allows(role, "sqs:SendMessage", target_arn):
        _logger.warning("The role of %s may not send to %s: the event is lost", function, target_arn)
        return
    _original_route_async_failure(target_arn, function, event, result)


def install() -> None:
    lambda_svc._route_async_failure = route_async_failure
    eventbridge._dispatch_to_lambda = dispatch_to_lambda
