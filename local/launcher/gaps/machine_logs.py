"""A state machine writes its log.

AWS: `LoggingConfiguration` names a log group, a level and whether inputs and outputs are written, too.
The level `ERROR` has the events of failures alone. The machine's role must be allowed to deliver logs,
or the machine is not created.

The emulator keeps the configuration and writes nothing. Simplified: all executions of a machine share a
log stream, and an event is written without its details.
"""

import json
import time
from typing import Any

from ministack.services import cloudwatch_logs
from ministack.services import stepfunctions as engine

from gaps import history
from gaps.role_policies import role_allows

ACTIONS = (
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
)
_FAILURES = ("Failed", "TimedOut", "Aborted", "FailStateEntered")


def refusal(properties: dict) -> str | None:
    """Why a machine with these properties is not created."""
    if (properties.get("LoggingConfiguration") or {}).get("Level", "OFF") == "OFF":
        return None
    if all(role_allows(properties["RoleArn"], action, "*") for action in ACTIONS):
        return None
    return "The state machine IAM Role is not authorized to access the Log Destination"


def add_event(execution: dict, event_type: str, *details: Any) -> dict:
    event = history.add_event(execution, event_type, *details)
    machine = engine._state_machines.get(execution["stateMachineArn"]) or {}
    logging = {k[:1].lower() + k[1:]: v for k, v in (machine.get("loggingConfiguration") or {}).items()}
    level = logging.get("level", "OFF")
    if level == "ALL" or (level != "OFF" and event_type.endswith(_FAILURES)):
        for destination in logging.get("destinations", []):
            _write(destination, machine["name"], execution["executionArn"], event)
    return event


def _write(destination: dict, machine: str, execution_arn: str, event: dict) -> None:
    group = destination["CloudWatchLogsLogGroup"]["LogGroupArn"].split(":log-group:")[1]
    where = {"logGroupName": group.removesuffix(":*"), "logStreamName": f"states/{machine}"}
    line = {"id": str(event["id"]), "type": event["type"], "execution_arn": execution_arn}
    now = int(time.time() * 1000)
    cloudwatch_logs._create_log_stream(where)
    cloudwatch_logs._put_log_events(
        where | {"logEvents": [{"timestamp": now, "message": json.dumps(line)}]}
    )


def install() -> None:
    engine._add_event = add_event
