"""Whether a role that a service assumes may do something."""

from ministack import app
from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import iam


def role_allows(role_arn: str, action: str, resource_arn: str) -> bool:
    """The decision of the role's policies, its boundary and the resource's own policy.

    Not `iam_evaluator.enforce`, which decides on the caller of the current HTTP request. Always
    `True` when the emulator enforces no IAM.
    """
    if not app.AUTH:
        return True
    account = get_account_id()
    role_name = role_arn.rpartition("/")[2]
    request = iam_evaluator.EvalContext(
        principal_arn=assumed_role_arn(role_arn),
        principal_type="AssumedRole",
        principal_account=account,
        action=action,
        resource_arn=resource_arn,
        region=get_region(),
        service_context={"aws:tagkeys": None},
    )
    limits = iam_evaluator._permissions_boundary(iam._roles, role_name, account)
    policies = iam_evaluator._gather_role_policies(role_name, account)
    result = iam_evaluator.evaluate(request, policies, *limits)
    resource_policy = iam_evaluator._resource_policy(action.partition(":")[0], resource_arn)
    if resource_policy is not None:
        result = iam_evaluator.combine_resource_policy(
            result, request, *resource_policy, limits=limits
        )
    return result.decision == "Allow"


def assumed_role_arn(role_arn: str) -> str:
    role_name = role_arn.rpartition("/")[2]
    return f"arn:aws:sts::{get_account_id()}:assumed-role/{role_name}/service"
