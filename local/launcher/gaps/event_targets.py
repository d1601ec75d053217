"""What a rule of EventBridge and an alarm of CloudWatch deliver, and what becomes of it if they cannot.

AWS:
- A rule invokes a function asynchronously: an invocation that fails is tried twice more, and its event
  then goes to the function's dead-letter queue or `OnFailure` destination, if the function's role may
  send to it.
- A topic takes what its policy lets the service publish. EventBridge brings no condition context, so
  a statement with a condition does not let it; CloudWatch brings the account and the alarm.
- An event that a target did not take goes to the target's dead-letter queue, if the queue's policy
  lets EventBridge send, for this rule.

The emulator invokes a function once and drops the event; its own asynchronous invocation does all of
that, with seconds between the attempts instead of AWS's minutes, but for any role. It publishes to
topics whatever their policies, and has no dead-letter queues of targets.
"""

import contextvars
import json
import logging

from ministack import app
from ministack.core import iam_evaluator
from ministack.core.arn import parse_arn
from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudwatch, eventbridge, lambda_svc, sns, sqs

from gaps.role_policies import role_allows

_logger = logging.getLogger("lambda")

# The target that a rule delivers to, the event and the rule.
_delivery: contextvars.ContextVar[tuple[dict, dict, dict]] = contextvars.ContextVar("delivery")

_original_dispatch_alarm_actions = cloudwatch._dispatch_alarm_actions
_original_dispatch_to_sns = eventbridge._dispatch_to_sns
_original_invoke_target = eventbridge._invoke_target
_original_route_async_failure = lambda_svc._route_async_failure


def invoke_target(target: dict, event: dict, rule: dict, view: object = None) -> None:
    token = _delivery.set((target, event, rule))
    try:
        _original_invoke_target(target, event, rule, view)
    finally:
        _delivery.reset(token)


def dispatch_to_lambda(arn: str, payload: str) -> None:
    function, config, _ = lambda_svc._get_func_record_for_ref(arn)
    if not function or not config:
        _undelivered("RESOURCE_NOT_FOUND", f"function {arn} is not there")
        return
    record = lambda_svc._execution_record_for_config(function, config)
    lambda_svc.invoke_async_with_retry(record, json.loads(payload))


def route_async_failure(target_arn: str, function: str, event: dict, result: dict) -> None:
    role = lambda_svc._functions[function]["config"]["Role"]
    if ":sqs:" in target_arn and not role_allows(role, "sqs:SendMessage", target_arn):
        _logger.warning("The role of %s may not send to %s: the event is lost", function, target_arn)
        return
    _original_route_async_failure(target_arn, function, event, result)


def dispatch_to_sns(arn: str, payload: str) -> None:
    policy = sns.topic_policy_for_arn(arn)
    if policy is None:
        _undelivered("RESOURCE_NOT_FOUND", f"topic {arn} is not there")
    elif _service_may("events", "sns:Publish", arn, policy[0], {}):
        _original_dispatch_to_sns(arn, payload)
    else:
        _undelivered("NO_PERMISSIONS", f"the policy of {arn} does not let EventBridge publish")


def dispatch_alarm_actions(alarm: dict, *change: object) -> None:
    name = alarm.get("AlarmName", "")
    source = {
        "aws:sourcearn": f"arn:aws:cloudwatch:{get_region()}:{get_account_id()}:alarm:{name}",
        "aws:sourceaccount": get_account_id(),
    }
    heard = {}
    for actions in ("AlarmActions", "OKActions", "InsufficientDataActions"):
        topics = ((arn, sns.topic_policy_for_arn(arn)) for arn in alarm.get(actions) or [])
        heard[actions] = [
            arn
            for arn, policy in topics
            if policy and _service_may("cloudwatch", "sns:Publish", arn, policy[0], source)
        ]
    _original_dispatch_alarm_actions({**alarm, **heard}, *change)


def _undelivered(code: str, message: str) -> None:
    target, event, rule = _delivery.get()
    dead_letters = (target.get("DeadLetterConfig") or {}).get("Arn")
    _logger.warning("EventBridge did not deliver to %s: %s", target["Arn"], message)
    queue = sqs._queue_by_arn(dead_letters) if dead_letters else None
    if queue is None:
        return
    policy = queue["attributes"].get("Policy", "")
    source = {"aws:sourcearn": rule["Arn"], "aws:sourceaccount": get_account_id()}
    if not _service_may("events", "sqs:SendMessage", dead_letters, policy, source):
        _logger.warning("The policy of %s does not let EventBridge send: the event is lost", dead_letters)
        return
    said = {"RULE_ARN": rule["Arn"], "TARGET_ARN": target["Arn"]}
    said |= {"ERROR_CODE": code, "ERROR_MESSAGE": message}
    attributes = {name: {"DataType": "String", "StringValue": text} for name, text in said.items()}
    body = eventbridge._pattern_event_view(event).event_with_detail()
    eventbridge._dispatch_to_sqs(parse_arn(dead_letters), json.dumps(body))
    queue["messages"][-1]["message_attributes"] = attributes


def _service_may(
    service: str, action: str, resource_arn: str, policy: str, context: dict[str, str]
) -> bool:
    """Whether a resource's policy lets a service act that says this much about its reason."""
    if not app.AUTH:
        return True
    request = iam_evaluator.EvalContext(
        principal_arn="*",
        principal_type="Service",
        principal_account="",
        action=action,
        resource_arn=resource_arn,
        region=get_region(),
        service_context=context,
    )
    principal = f"{service}.amazonaws.com"
    result = iam_evaluator.evaluate_resource_policy(policy, request, service=principal)
    return result.decision == "Allow"


def install() -> None:
    cloudwatch._dispatch_alarm_actions = dispatch_alarm_actions
    eventbridge._dispatch_to_sns = dispatch_to_sns
    eventbridge._invoke_target = invoke_target
    lambda_svc._route_async_failure = route_async_failure
    eventbridge._dispatch_to_lambda = dispatch_to_lambda
