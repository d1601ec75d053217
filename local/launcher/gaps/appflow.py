"""AppFlow, as far as on-demand flows from S3 to S3 need it.

AWS:
- `AWS::AppFlow::Flow` makes a flow; its `Ref` is the name, `FlowArn` an attribute.
- `StartFlow` answers with an `executionId` and the run goes on by itself. The same `clientToken`
  starts nothing anew and answers the same. An unknown flow is a `ResourceNotFoundException`.
- `DescribeFlowExecutionRecords` lists the runs of a flow; a run is `InProgress`, `Successful` or
  `Error`, the last with `executionResult.errorInfo.executionMessage`.
- Step Functions calls both as `aws-sdk:appflow:…`, with the machine's role.

The emulator has no AppFlow. Simplified: calls over HTTP are not authorized, only those of machines;
flows are those of CloudFormation; records are newest first, in one page. `flow_runs` runs them.
"""

import asyncio
import json
import uuid
from typing import Any

from ministack import app
from ministack.core.responses import (
    error_response_json,
    get_account_id,
    get_region,
    json_response,
)
from ministack.services import stepfunctions as engine
from ministack.services.cloudformation import provisioners

from gaps.flow_runs import Behaviour, Flow, Run

_JSON = "application/json"
_PATHS = {
    "StartFlow": "/start-flow",
    "DescribeFlowExecutionRecords": "/describe-flow-execution-records",
}
_STATUS_OF = {"ResourceNotFoundException": 404, "ConflictException": 409}

_flows: dict[str, Flow] = {}
_behaviours: list[Behaviour] = []


class Refused(Exception):
    """An error of the API: its code and message."""


async def handle_request(
    _method: str, path: str, _headers: dict, body: bytes, _query_params: dict
) -> tuple:
    request = json.loads(body or b"{}")
    try:
        if path == _PATHS["StartFlow"]:
            answer = await _start_flow(request)
        elif path == _PATHS["DescribeFlowExecutionRecords"]:
            answer = _describe_flow_execution_records(request)
        else:
            raise Refused("UnknownOperationException", f"{path} is not a path of local AppFlow")
    except Refused as refusal:
        code, message = refusal.args
        return error_response_json(code, message, _STATUS_OF.get(code, 400), content_type=_JSON)
    return json_response(answer, content_type=_JSON)


async def _start_flow(request: dict) -> dict:
    flow = _flow(request)
    run = flow.run_of(request.get("clientToken"))
    if run is None:
        behaviour = next((b for b in _behaviours if b.takes_on(flow.name)), Behaviour(flow.name))
        if behaviour.refuse:
            raise Refused(behaviour.refuse, f"Flow {flow.name} was refused by /_local/appflow")
        run = Run(flow, str(uuid.uuid4()), behaviour)
        flow.add(run, request.get("clientToken"))
        run.start()
        await asyncio.sleep(behaviour.answer_after_seconds)
    return {"flowArn": flow.arn, "flowStatus": "Active", "executionId": run.execution_id}


def _describe_flow_execution_records(request: dict) -> dict:
    runs = _flow(request).runs_newest_first()[: request.get("maxResults", 20)]
    return {"flowExecutions": [run.record() for run in runs]}


def _flow(request: dict) -> Flow:
    name = request.get("flowName")
    if name not in _flows:
        raise Refused("ResourceNotFoundException", f"Flow with name {name} does not exist")
    return _flows[name]


def behave(behaviour: Behaviour) -> list[Behaviour]:
    """Adds a behaviour of runs to come; answers with all of them."""
    _behaviours.append(behaviour)
    return _behaviours


def forget(flows: list[str] | None) -> list[Behaviour]:
    """Forgets the behaviours of these flows, or with `None` all; answers with what is left."""
    _behaviours[:] = [b for b in _behaviours if flows and b.flow not in flows]
    return _behaviours


def _create(logical_id: str, properties: dict, stack_name: str) -> tuple[str, dict]:
    name = properties.get("FlowName") or f"{stack_name}-{logical_id}"
    if name in _flows:
        raise ValueError(f"a flow named {name} exists")
    arn = f"arn:aws:appflow:{get_region()}:{get_account_id()}:flow/{name}"
    _flows[name] = Flow(name, arn, properties)
    return name, {"FlowArn": arn}


def _update(physical_id: str, _old: dict, properties: dict, *_rest: Any) -> tuple[str, dict]:
    flow = _flows[physical_id]
    flow.properties = properties
    return physical_id, {"FlowArn": flow.arn}


def _delete(physical_id: str, _properties: dict) -> None:
    _flows.pop(physical_id, None)


def install() -> None:
    app.SERVICE_HANDLERS["appflow"] = handle_request
    provisioners._RESOURCE_HANDLERS["AWS::AppFlow::Flow"] = {
        "create": _create,
        "update": _update,
        "delete": _delete,
    }
    engine._AWS_SDK_SERVICE_MAP["appflow"] = {"protocol": "rest-json"}
    engine._REST_JSON_ACTION_PATHS["appflow"] = _PATHS
