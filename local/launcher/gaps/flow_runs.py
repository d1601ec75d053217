"""Runs of AppFlow flows.

AWS: a run reads every object below the source's prefix as JSON, one record a line or the whole
file, keeps the fields that tasks map, and writes JSON lines below
`<destination prefix>/<flow>/<execution id>/`. AppFlow does so as the service
`appflow.amazonaws.com`, which the buckets' policies must allow. At its end it reports to the
default event bus, best effort: `AppFlow End Flow Run Report`, counts as text.

Shape of the event: reports recorded on AWS, published in aws-samples repositories. The status of a
failed run is not among them; any other than `Execution Successful` is a failure.
"""

import contextvars
import json
import logging
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from hashlib import md5
from typing import Any

from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import eventbridge, s3

_logger = logging.getLogger("appflow")

_PRINCIPAL = "appflow.amazonaws.com"
_SHORTEST_RUN_SECONDS = 0.3


@dataclass
class Behaviour:
    """How the next `runs` runs of a flow go. Without fields: as runs usually do."""

    flow: str
    runs: int = 1
    # How many times the end is reported: 0 loses the event.
    events: int = 1
    hold_seconds: float = _SHORTEST_RUN_SECONDS
    answer_after_seconds: float = 0
    # The error code that StartFlow answers with; nothing runs then.
    refuse: str | None = None

    def takes_on(self, flow: str) -> bool:
        """Whether this run is one of its own; if so, it is counted."""
        taken = self.flow == flow and self.runs > 0
        self.runs -= taken
        return taken


class Flow:
    def __init__(self, name: str, arn: str, properties: dict) -> None:
        self.name = name
        self.arn = arn
        self.properties = properties
        self._runs: list[Run] = []
        self._by_client_token: dict[str, Run] = {}

    def add(self, run: "Run", client_token: str | None) -> None:
        self._runs.append(run)
        if client_token:
            self._by_client_token[client_token] = run

    def run_of(self, client_token: str | None) -> "Run | None":
        return self._by_client_token.get(client_token or "")

    def runs_newest_first(self) -> "list[Run]":
        return self._runs[::-1]

    @property
    def source(self) -> dict:
        return self.properties["SourceFlowConfig"]["SourceConnectorProperties"]["S3"]

    @property
    def destination(self) -> dict:
        connector = self.properties["DestinationFlowConfigList"][0]
        return connector["DestinationConnectorProperties"]["S3"]

    @property
    def mapping(self) -> dict[str, str]:
        """The destination's name of each source field that a task maps."""
        tasks = [task for task in self.properties["Tasks"] if task["TaskType"] == "Map"]
        return {task["SourceFields"][0]: task["DestinationField"] for task in tasks}


class RunFailed(Exception):
    """What AppFlow says of a run that failed."""


class Run:
    def __init__(self, flow: Flow, execution_id: str, behaviour: Behaviour) -> None:
        self.execution_id = execution_id
        self._flow = flow
        self._behaviour = behaviour
        self._status = "InProgress"
        self._message = ""
        self._records = self._bytes_read = self._bytes_written = 0
        self._started_at = self._updated_at = time.time()

    def start(self) -> None:
        scope = contextvars.copy_context()
        threading.Thread(target=scope.run, args=(self._run,), daemon=True).start()

    def record(self) -> dict:
        result: dict[str, Any] = {
            "bytesProcessed": self._bytes_read,
            "bytesWritten": self._bytes_written,
            "recordsProcessed": self._records,
        }
        if self._message:
            result["errorInfo"] = {"putFailuresCount": 0, "executionMessage": self._message}
        return {
            "executionId": self.execution_id,
            "executionStatus": self._status,
            "executionResult": result,
            "startedAt": self._started_at,
            "lastUpdatedAt": self._updated_at,
        }

    def _run(self) -> None:
        time.sleep(self._behaviour.hold_seconds)
        try:
            self._move()
            status = "Successful"
        except RunFailed as failure:
            self._message, status = str(failure), "Error"
        except Exception:
            _logger.exception("flow %s", self._flow.name)
            self._message, status = "An internal error occurred", "Error"
        self._updated_at = time.time()
        self._status = status
        for _ in range(self._behaviour.events):
            self._report()

    def _move(self) -> None:
        source, destination = self._flow.source, self._flow.destination
        parts = [destination.get("BucketPrefix"), self._flow.name, self.execution_id]
        folder = "/".join(part for part in parts if part)
        prefix = source.get("BucketPrefix", "").rstrip("/") + "/"
        self._require("s3:ListBucket", source["BucketName"])
        for key in sorted(s3._buckets[source["BucketName"]]["objects"]):
            if key.startswith(prefix) and not key.endswith("/"):
                content = self._read(source["BucketName"], key)
                moved = "".join(json.dumps(row) + "\n" for row in self._mapped(key, content))
                self._write(destination["BucketName"], f"{folder}/{key[len(prefix) :]}", moved)

    def _mapped(self, key: str, content: str) -> list[dict]:
        try:
            rows = _rows(content)
        except ValueError as error:
            raise RunFailed(f"The file {key} is not valid JSON: {error}") from error
        self._records += len(rows)
        mapping = self._flow.mapping
        return [{mapping[name]: row[name] for name in mapping if name in row} for row in rows]

    def _read(self, bucket: str, key: str) -> str:
        self._require("s3:GetObject", bucket, key)
        status, _, body = s3._get_object(bucket, key, {}, {})
        if status != 200:
            raise RunFailed(f"The file {key} could not be read")
        self._bytes_read += len(body)
        return bytes(body).decode(errors="replace")

    def _write(self, bucket: str, key: str, content: str) -> None:
        self._require("s3:PutObject", bucket, key)
        status, _, _ = s3._put_object(bucket, key, content.encode(), {})
        if status != 200:
            raise RunFailed(f"The file {key} could not be written")
        self._bytes_written += len(content.encode())

    def _require(self, action: str, bucket: str, key: str = "") -> None:
        """Fails the run unless the bucket is there and its policy lets AppFlow do this."""
        arn = f"arn:aws:s3:::{bucket}" + (f"/{key}" if key else "")
        policy = s3.bucket_policy_for_arn(arn)
        if policy is None:
            raise RunFailed(f"The bucket {bucket} does not exist")
        request = iam_evaluator.EvalContext(
            principal_arn=_PRINCIPAL,
            principal_type="Service",
            principal_account=get_account_id(),
            action=action,
            resource_arn=arn,
            region=get_region(),
            service_context={
                "aws:sourceaccount": get_account_id(),
                "aws:sourcearn": self._flow.arn,
            },
        )
        allowed = iam_evaluator.evaluate_resource_policy(policy[0], request, service=_PRINCIPAL)
        if allowed.decision != "Allow":
            raise RunFailed(f"The policy of bucket {bucket} does not let AppFlow do {action}")

    def _report(self) -> None:
        source, destination = self._flow.source, self._flow.destination
        successful = self._status == "Successful"
        detail = {
            "flow-name": self._flow.name,
            "created-by": f"arn:aws:iam::{get_account_id()}:root",
            "flow-arn": self._flow.arn,
            "source": "S3",
            "destination": "S3",
            "source-object": _location(source),
            "destination-object": _location(destination),
            "trigger-type": "ONDEMAND",
            "num-of-records-processed": str(self._records),
            "execution-id": self.execution_id,
            "num-of-records-filtered": "0",
            "start-time": _time(self._started_at),
            "num-of-documents-processed": "0",
            "end-time": _time(self._updated_at),
            "num-of-record-failures": "0",
            "data-processed": str(self._bytes_read),
            "status": "Execution Successful" if successful else "Execution Failed",
        }
        if not successful:
            detail["error-message"] = self._message
        entry = {
            "Source": "aws.appflow",
            "DetailType": "AppFlow End Flow Run Report",
            "Detail": json.dumps(detail),
            # Not an ARN on AWS either.
            "Resources": [md5(self._flow.name.encode()).hexdigest()],
        }
        eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)


def _rows(content: str) -> list[dict]:
    """A file of JSON lines, or one JSON document: an object or a list of them."""
    try:
        document = json.loads(content)
        rows = document if isinstance(document, list) else [document]
    except ValueError:
        rows = [json.loads(line) for line in content.splitlines() if line.strip()]
    if not all(isinstance(row, dict) for row in rows):
        raise ValueError("not a list of objects")
    return rows


def _location(connector: dict) -> str:
    return "/".join(["s3:/", connector["BucketName"], connector.get("BucketPrefix", "")])


def _time(epoch_seconds: float) -> str:
    time_of_day = datetime.fromtimestamp(epoch_seconds, timezone.utc)
    return time_of_day.isoformat(timespec="milliseconds").replace("+00:00", "Z[UTC]")
