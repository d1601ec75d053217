"""A state machine may only do what its own role allows.

AWS: Step Functions makes each service call with the machine's role. A call that the role's policies
do not allow fails the task, by the name that the integration gives to errors of its SDK.

The emulator makes every call, whatever the role.

Sources of the error names: `Lambda.AWSLambdaException` awslabs/aws-deployment-framework#460;
`SQS.AmazonSQSException` and `StepFunctions.AWSStepFunctionsException` appear in published
definitions and traces; the others follow the same pattern, the base exception of the SDK for Java.
"""

import json
from typing import Any

import botocore.session
from ministack.core import iam_actions
from ministack.core.responses import get_account_id, get_region
from ministack.services import stepfunctions as engine

from gaps.role_policies import assumed_role_arn, role_allows

# Optimized integrations: the emulator's service, its IAM action, and the name of a refusal.
_DYNAMODB_REFUSAL = "DynamoDB.AmazonDynamoDBException"
_OPTIMIZED = {
    "lambda:invoke": ("lambda", "lambda:InvokeFunction", "Lambda.AWSLambdaException"),
    "sqs:sendMessage": ("sqs", "sqs:SendMessage", "SQS.AmazonSQSException"),
    "sns:publish": ("sns", "sns:Publish", "SNS.AmazonSNSException"),
    "events:putEvents": ("events", "events:PutEvents", "EventBridge.AmazonEventBridgeException"),
    "states:startExecution": (
        "states",
        "states:StartExecution",
        "StepFunctions.AWSStepFunctionsException",
    ),
    "dynamodb:getItem": ("dynamodb", "dynamodb:GetItem", _DYNAMODB_REFUSAL),
    "dynamodb:putItem": ("dynamodb", "dynamodb:PutItem", _DYNAMODB_REFUSAL),
    "dynamodb:updateItem": ("dynamodb", "dynamodb:UpdateItem", _DYNAMODB_REFUSAL),
    "dynamodb:deleteItem": ("dynamodb", "dynamodb:DeleteItem", _DYNAMODB_REFUSAL),
}

# SDK integrations are named after the SDK for Java; these differ from the service's IAM prefix.
_SERVICE_OF_SDK = {"sfn": "states", "eventbridge": "events", "cloudwatchlogs": "logs"}
_MODEL_OF_SDK = {"sfn": "stepfunctions", "eventbridge": "events", "cloudwatchlogs": "logs"}

# Operations whose IAM action has another name.
_IAM_ACTIONS = {
    "lambda:Invoke": "lambda:InvokeFunction",
    "s3:HeadObject": "s3:GetObject",
    "s3:ListObjectsV2": "s3:ListBucket",
}


def require(execution: dict, resource: str, arguments: Any) -> None:
    """Raises the task's error, unless the role of the execution's machine allows the call."""
    if ":function:" in resource:  # The older way to invoke a function.
        resource, arguments = "arn:aws:states:::lambda:invoke", {"FunctionName": resource}
    # A child of a distributed Map names its machine `<machine>/<map state>`.
    machine = engine._state_machines.get(execution["stateMachineArn"].split("/")[0])
    call = _service_call(resource)
    if machine is None or call is None:
        return
    service, action, refusal = call
    for target in _targets(service, arguments):
        if not role_allows(machine["roleArn"], action, target):
            principal = assumed_role_arn(machine["roleArn"])
            cause = iam_actions.identity_denial_message(action, principal, target, False)
            raise engine._ExecutionError(refusal or _sdk_refusal(resource), cause)


def _service_call(resource: str) -> tuple[str, str, str | None] | None:
    """The service, IAM action and refusal of a task's `Resource`; `None` if no role is needed."""
    integration = resource.partition(":::")[2].split(".")[0]
    if not integration.startswith("aws-sdk:"):
        return _OPTIMIZED.get(integration)
    _, sdk, operation = integration.split(":")
    service = _SERVICE_OF_SDK.get(sdk, sdk)
    action = f"{service}:{operation[0].upper()}{operation[1:]}"
    return service, _IAM_ACTIONS.get(action, action), None


def _targets(service: str, arguments: Any) -> list[str]:
    """The ARNs that the call is authorized against."""
    region, account = get_region(), get_account_id()
    if not isinstance(arguments, dict):
        return ["*"]
    if service == "lambda":
        name = str(arguments.get("FunctionName", ""))
        is_arn = name.startswith("arn:")
        return [name if is_arn else f"arn:aws:lambda:{region}:{account}:function:{name}"]
    if service == "appflow":
        return [f"arn:aws:appflow:{region}:{account}:flow/{arguments.get('FlowName', '*')}"]
    if service == "states":
        arguments = {name[:1].lower() + name[1:]: value for name, value in arguments.items()}
    body = json.dumps(arguments).encode()
    if service == "events":
        return iam_actions.eventbridge_resource_arns(body, region, account) or ["*"]
    path = "/".join(["", *(str(arguments[k]) for k in ("Bucket", "Key") if k in arguments)])
    return [iam_actions.extract_resource_arn(service, "POST", path, {}, body, {}, region, account)]


def _sdk_refusal(resource: str) -> str:
    """An SDK integration names the modelled exception, or else the service's base exception."""
    sdk = resource.split(":")[-2]
    prefix = engine._AWS_SDK_ERROR_PREFIX.get(sdk, sdk.capitalize())
    model = botocore.session.get_session().get_service_model(_MODEL_OF_SDK.get(sdk, sdk))
    modelled = "AccessDeniedException" in model.shape_names
    return f"{prefix}.AccessDeniedException" if modelled else f"{prefix}.{prefix}Exception"
