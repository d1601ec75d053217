"""What a deployment sets, and what AWS refuses to deploy.

AWS:
- An account has a quota of concurrent executions, and reservations must leave 10 of it to all other
  functions. A new account has 10 in all: it refuses every reservation.
- `RecursiveLoop: Allow` of a function turns off the detection of loops, see `queue_loops`.
- `PointInTimeRecoverySpecification` of a table turns its backups on.
- The name of a state machine has at most 80 characters.

The emulator's CloudFormation ignores these settings, and it takes names of any length. The emulator's
account is a new one: `ACCOUNT_CONCURRENCY` (10) is its quota.
"""

import os
from collections.abc import Callable
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import dynamodb, lambda_svc
from ministack.services.cloudformation import provisioners

from gaps import machine_logs

_LONGEST_MACHINE_NAME = 80
_LEFT_TO_OTHERS = 10
_QUOTA = int(os.environ.get("ACCOUNT_CONCURRENCY", _LEFT_TO_OTHERS))

_original_put_function_concurrency = lambda_svc._put_function_concurrency


def refusal(function: str, reservation: int) -> str | None:
    """Why the account has not that much left to reserve."""
    others = (f.get("concurrency") or 0 for name, f in lambda_svc._functions.items() if name != function)
    # Zero switches a function off, which every account may.
    if reservation == 0 or _QUOTA - sum(others) - reservation >= _LEFT_TO_OTHERS:
        return None
    return (
        "Specified ReservedConcurrentExecutions for function decreases account's "
        f"UnreservedConcurrentExecution below its minimum value of [{_LEFT_TO_OTHERS}]."
    )


def put_function_concurrency(function: str, request: dict) -> tuple:
    message = refusal(function, request.get("ReservedConcurrentExecutions", 0))
    if message:
        return error_response_json("InvalidParameterValueException", message, 400)
    return _original_put_function_concurrency(function, request)


def _set_up(name: str, properties: dict) -> None:
    reservation = properties.get("ReservedConcurrentExecutions")
    if reservation is not None and (message := refusal(name, int(reservation))):
        raise ValueError(message)
    function = lambda_svc._functions[name]
    function["concurrency"] = None if reservation is None else int(reservation)
    function["recursive_loop"] = properties.get("RecursiveLoop", "Terminate")


def _wrap(resource_type: str, action: str, wrapper: Callable[[Callable], Callable]) -> None:
    handler = provisioners._RESOURCE_HANDLERS[resource_type]
    handler[action] = wrapper(handler[action])


def _creating_function(create: Callable) -> Callable:
    def create_function(logical_id: str, properties: dict, stack_name: str) -> tuple:
        name, attributes = create(logical_id, properties, stack_name)
        _set_up(name, properties)
        return name, attributes

    return create_function


def _updating_function(update: Callable) -> Callable:
    def update_function(physical_id: str, old: dict, new: dict, *rest: Any, **named: Any) -> Any:
        updated = update(physical_id, old, new, *rest, **named)
        _set_up(physical_id, new)
        return updated

    return update_function


def _creating_table(create: Callable) -> Callable:
    def create_table(logical_id: str, properties: dict, stack_name: str) -> tuple:
        name, attributes = create(logical_id, properties, stack_name)
        if specification := properties.get("PointInTimeRecoverySpecification"):
            dynamodb._update_continuous_backups(
                {"TableName": name, "PointInTimeRecoverySpecification": specification}
            )
        return name, attributes

    return create_table


def _creating_machine(create: Callable) -> Callable:
    def create_machine(logical_id: str, properties: dict, stack_name: str) -> tuple:
        name = properties.get("StateMachineName") or ""
        if len(name) > _LONGEST_MACHINE_NAME:
            raise ValueError(
                f"Value '{name}' at 'name' failed to satisfy constraint: Member must have length "
                f"less than or equal to {_LONGEST_MACHINE_NAME}"
            )
        if message := machine_logs.refusal(properties):
            raise ValueError(message)
        return create(logical_id, properties, stack_name)

    return create_machine


def install() -> None:
    lambda_svc._put_function_concurrency = put_function_concurrency
    _wrap("AWS::Lambda::Function", "create", _creating_function)
    _wrap("AWS::Lambda::Function", "update", _updating_function)
    _wrap("AWS::DynamoDB::Table", "create", _creating_table)
    _wrap("AWS::StepFunctions::StateMachine", "create", _creating_machine)
