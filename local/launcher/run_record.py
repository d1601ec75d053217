"""What a run has shown, for the checks that come after it.

    GET /_local/record   {"permissions", "secrets", "failures"}; also written to `record.json` when
                         the launcher ends

- `permissions`: every resource of every statement that allows something in a role's own policies,
  and every statement of a bucket's, queue's or topic's policy that allows something to a service, with
  `needed_by`: a request for the resource that this statement alone has allowed. IAM would have refused
  that request without the statement. Calls with task tokens that were never issued show nothing,
  because they belong to no state machine. What a service does with a bucket as a whole is not emulated,
  so a statement of a resource's policy counts as one.
- `secrets`: every task token that was handed out and every secret that was stored.
- `failures`: error and cause of every execution that failed.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id
from ministack.services import iam, s3, secretsmanager, sns, sqs
from ministack.services import stepfunctions as engine

from gaps import callback_authorization, task_tokens

_original_evaluate = iam_evaluator.evaluate

# By who was allowed (a role's name or a service), what the statement says, and which of its resources.
_needed: dict[tuple[str, str, str], str] = {}


def evaluate(
    request: iam_evaluator.EvalContext, policies: list[list], *limits: list[list]
) -> iam_evaluator.EvalResult:
    result = _original_evaluate(request, policies, *limits)
    if result.decision != "Allow" or callback_authorization.is_of_no_machine():
        return result
    allowing = [
        statement
        for policy in policies
        for statement in policy
        if _original_evaluate(request, [[statement]]).decision == "Allow"
    ]
    if len(allowing) == 1:
        what = f"{request.action} on {request.resource_arn}"
        for resource in allowing[0].resources:
            if iam_evaluator.fnmatch_iam_cs(request.resource_arn, resource):
                _needed.setdefault((_principal(request), repr(allowing[0]), resource), what)
    return result


def _principal(request: iam_evaluator.EvalContext) -> str:
    is_role = ":assumed-role/" in request.principal_arn
    return request.principal_arn.split("/")[1] if is_role else request.principal_arn


def record() -> dict[str, Any]:
    return {
        "permissions": list(_permissions()),
        "secrets": sorted(_secrets()),
        "failures": [
            {"execution": arn, "error": execution.get("error"), "cause": execution.get("cause")}
            for arn, execution in _items(engine._executions)
            if execution["status"] == "FAILED"
        ],
    }


def _permissions() -> Iterator[dict]:
    for name, role in _items(iam._roles):
        for policy, document in (role.get("InlinePolicies") or {}).items():
            yield from _statements(f"role {name}", policy, document, name)
        for arn in role.get("AttachedPolicies") or []:
            if not arn.startswith("arn:aws:iam::aws:"):
                document = iam_evaluator._resolve_managed_policy_document(arn, get_account_id())
                yield from _statements(f"role {name}", arn.rpartition("/")[2], document, name)
    for name, document in _items(s3._bucket_policies):
        yield from _statements(f"bucket {name}", "policy", _for_services(document), None)
    for kind, resources in (("queue", sqs._queues), ("topic", sns._topics)):
        for name, resource in _items(resources):
            document = _for_services(resource["attributes"].get("Policy") or "{}")
            place = f"{kind} {name.replace(':', '/').rpartition('/')[2]}"
            yield from _statements(place, "policy", document, None)


def _for_services(document: str | dict) -> dict:
    """The statements of a resource's policy that name a service: the others are for people and tests."""
    policy = json.loads(document) if isinstance(document, str) else document
    named = (s for s in policy.get("Statement", []) if "Service" in (s.get("Principal") or ""))
    return {**policy, "Statement": list(named)}


def _statements(
    place: str, policy: str, document: str | dict, role: str | None
) -> Iterator[dict]:
    for index, statement in enumerate(iam_evaluator.parse_policy_document(document)):
        if statement.effect != "Allow":
            continue
        for number, resource in enumerate(statement.resources if role else ["*"]):
            needed_by = (
                what
                for (principal, said, which), what in list(_needed.items())
                if said == repr(statement)
                and (role is None or (role, resource) == (principal, which))
            )
            name = statement.sid or f"{', '.join(statement.actions)} ({policy}, statement {index})"
            if role and len(statement.resources) > 1:
                name += f", resource {number}"
            yield {"place": place, "statement": name, "needed_by": next(needed_by, None)}


def _secrets() -> Iterator[str]:
    yield from list(task_tokens.issued())
    for _, secret in _items(secretsmanager._secrets):
        for version in secret["Versions"].values():
            if version.get("SecretString"):
                yield version["SecretString"]


def _items(store: Any) -> list[tuple[str, Any]]:
    """What the emulator keeps by account, and perhaps region, and name."""
    return [(key[-1] if isinstance(key, tuple) else key, kept) for key, kept in list(store._data.items())]


def write(directory: Path) -> None:
    (directory / "record.json").write_text(json.dumps(record()))


def install() -> None:
    iam_evaluator.evaluate = evaluate
