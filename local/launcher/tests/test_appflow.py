"""AppFlow flows from S3 to S3."""

import json
import unittest
import urllib.error
from typing import Any

from botocore.exceptions import ClientError

from tests.stack import (
    ANYTHING,
    Function,
    Machine,
    Queue,
    client,
    error_code,
    local,
    poll,
    unique,
)

READ_AND_WRITE = ["s3:ListBucket", "s3:GetObject", "s3:PutObject"]


class Flow:
    """A stack of a flow and its bucket, and a queue that receives the reports of its runs."""

    def __init__(self, *allowed: str) -> None:
        self.name, self.bucket = unique("flow"), unique("flow-bucket")
        self.stack = unique("flow-stack")
        resources = {
            "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": self.bucket}},
            "Policy": {
                "Type": "AWS::S3::BucketPolicy",
                "Properties": {
                    "Bucket": {"Ref": "Bucket"},
                    "PolicyDocument": self.policy(list(allowed or READ_AND_WRITE)),
                },
            },
            "Flow": {"Type": "AWS::AppFlow::Flow", "Properties": self.properties()},
        }
        outputs = {
            "Name": {"Value": {"Ref": "Flow"}},
            "Arn": {"Value": {"Fn::GetAtt": ["Flow", "FlowArn"]}},
        }
        template = json.dumps({"Resources": resources, "Outputs": outputs})
        client("cloudformation").create_stack(StackName=self.stack, TemplateBody=template)
        self.outputs = poll(self.describe, "the stack of the flow")
        self.arn = self.outputs["Arn"]
        self.reports = Queue()
        self.route("flow-name", self.name, self.reports.arn)

    def describe(self) -> dict | None:
        stack = client("cloudformation").describe_stacks(StackName=self.stack)["Stacks"][0]
        if stack["StackStatus"] != "CREATE_COMPLETE":
            return None
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def policy(self, actions: list[str]) -> dict:
        arn = f"arn:aws:s3:::{self.bucket}"
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "appflow.amazonaws.com"},
            "Action": actions,
            "Resource": [arn, f"{arn}/*"],
            "Condition": {"StringEquals": {"aws:SourceAccount": "000000000000"}},
        }
        return {"Version": "2012-10-17", "Statement": [statement]}

    def properties(self) -> dict:
        source = {"BucketName": self.bucket, "BucketPrefix": "input"}
        destination = {"BucketName": self.bucket, "BucketPrefix": "output"}
        return {
            "FlowName": self.name,
            "TriggerConfig": {"TriggerType": "OnDemand"},
            "SourceFlowConfig": {
                "ConnectorType": "S3",
                "SourceConnectorProperties": {"S3": source},
            },
            "DestinationFlowConfigList": [
                {
                    "ConnectorType": "S3",
                    "DestinationConnectorProperties": {"S3": destination},
                }
            ],
            "Tasks": [
                {
                    "TaskType": "Filter",
                    "SourceFields": ["hello"],
                    "ConnectorOperator": {"S3": "PROJECTION"},
                },
                {
                    "TaskType": "Map",
                    "SourceFields": ["hello"],
                    "DestinationField": "greeting",
                    "ConnectorOperator": {"S3": "NO_OP"},
                },
            ],
        }

    def route(self, field: str, value: str, target: str) -> None:
        rule = unique("rule")
        pattern = {
            "source": ["aws.appflow"],
            "detail-type": ["AppFlow End Flow Run Report"],
            "detail": {field: [value]},
        }
        client("events").put_rule(Name=rule, EventPattern=json.dumps(pattern))
        client("events").put_targets(Rule=rule, Targets=[{"Id": "target", "Arn": target}])

    def put(self, key: str, content: str) -> None:
        client("s3").put_object(Bucket=self.bucket, Key=key, Body=content.encode())

    def start(self, **arguments: Any) -> str:
        return client("appflow").start_flow(flowName=self.name, **arguments)["executionId"]

    def runs(self) -> list[dict]:
        return client("appflow").describe_flow_execution_records(flowName=self.name)[
            "flowExecutions"
        ]

    def behave(self, **behaviour: Any) -> None:
        local("POST", "appflow", {"flow": self.name, **behaviour})


class RunTest(unittest.TestCase):
    def test_run_moves_the_mapped_fields_of_every_object(self) -> None:
        flow = Flow()
        flow.put("input/one.json", '{"hello": "world", "secret": 1}')
        flow.put("input/deep/lines.json", '{"hello": "a"}\n{"other": "b"}\n')
        flow.put("inputs/not-below-the-prefix.json", "{}")

        run = flow.start()
        flow.reports.receive()

        listed = client("s3").list_objects_v2(Bucket=flow.bucket, Prefix="output/")["Contents"]
        folder = f"output/{flow.name}/{run}"
        self.assertEqual(
            [entry["Key"] for entry in listed],
            [f"{folder}/deep/lines.json", f"{folder}/one.json"],
        )
        one = client("s3").get_object(Bucket=flow.bucket, Key=f"{folder}/one.json")["Body"].read()
        self.assertEqual(one, b'{"greeting": "world"}\n')

    def test_run_reports_its_end_as_aws_does(self) -> None:
        flow = Flow()
        flow.put("input/one.json", '{"hello": "world"}')

        run = flow.start()
        event = flow.reports.receive()

        self.assertEqual(
            (event["source"], event["detail-type"]),
            ("aws.appflow", "AppFlow End Flow Run Report"),
        )
        detail = event["detail"]
        self.assertRegex(detail["end-time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\[UTC\]$")
        self.assertEqual(
            {name: detail[name] for name in detail if not name.endswith("-time")},
            {
                "flow-name": flow.name,
                "created-by": "arn:aws:iam::000000000000:root",
                "flow-arn": flow.arn,
                "source": "S3",
                "destination": "S3",
                "source-object": f"s3://{flow.bucket}/input",
                "destination-object": f"s3://{flow.bucket}/output",
                "trigger-type": "ONDEMAND",
                "num-of-records-processed": "1",
                "execution-id": run,
                "num-of-records-filtered": "0",
                "num-of-documents-processed": "0",
                "num-of-record-failures": "0",
                "data-processed": "18",
                "status": "Execution Successful",
            },
        )

    def test_run_is_in_progress_until_its_end(self) -> None:
        flow = Flow()
        flow.behave(hold_seconds=1)

        first = flow.start()
        going = flow.runs()
        flow.reports.receive()
        second = flow.start()

        self.assertEqual([run["executionStatus"] for run in going], ["InProgress"])
        after = flow.runs()
        self.assertEqual([run["executionId"] for run in after], [second, first])
        self.assertEqual(after[1]["executionStatus"], "Successful")

    def test_file_that_is_not_json_fails_the_run_with_the_reason(self) -> None:
        flow = Flow()
        flow.put("input/bad.json", "{")

        flow.start()
        detail = flow.reports.receive()["detail"]

        self.assertNotEqual(detail["status"], "Execution Successful")
        self.assertIn("input/bad.json is not valid JSON", detail["error-message"])
        run = flow.runs()[0]
        self.assertEqual(run["executionStatus"], "Error")
        message = run["executionResult"]["errorInfo"]["executionMessage"]
        self.assertEqual(message, detail["error-message"])

    def test_bucket_must_let_appflow_in(self) -> None:
        for missing in READ_AND_WRITE:
            flow = Flow(*(action for action in READ_AND_WRITE if action != missing))
            flow.put("input/one.json", '{"hello": "world"}')

            flow.start()

            detail = flow.reports.receive()["detail"]
            expected = f"The policy of bucket {flow.bucket} does not let AppFlow do {missing}"
            self.assertEqual(detail["error-message"], expected)

    def test_client_token_starts_one_run(self) -> None:
        flow = Flow()

        runs = {flow.start(clientToken="token"), flow.start(clientToken="token"), flow.start()}

        self.assertEqual(len(runs), 2)

    def test_flow_that_does_not_exist_is_not_found(self) -> None:
        flow = Flow()
        client("cloudformation").delete_stack(StackName=flow.stack)

        def code() -> bool:
            return error_code(flow.start) == "ResourceNotFoundException"

        poll(code, "the end of the flow")
        with self.assertRaises(ClientError):
            flow.runs()

    def test_ref_of_the_flow_is_its_name(self) -> None:
        flow = Flow()

        self.assertEqual(flow.outputs["Name"], flow.name)
        self.assertEqual(flow.arn, f"arn:aws:appflow:us-east-1:000000000000:flow/{flow.name}")


class IntegrationTest(unittest.TestCase):
    def task(self, operation: str, **arguments: Any) -> dict:
        return {
            "Type": "Task",
            "Resource": f"arn:aws:states:::aws-sdk:appflow:{operation}",
            "Arguments": arguments,
            "End": True,
        }

    def test_machine_starts_and_describes_runs_with_its_role(self) -> None:
        flow = Flow()
        operations = {"startFlow": "ExecutionId", "describeFlowExecutionRecords": "FlowExecutions"}
        for operation, answer in operations.items():
            action = f"appflow:{operation[0].upper()}{operation[1:]}"
            allowed = {"Effect": "Allow", "Action": action, "Resource": flow.arn}
            state = self.task(operation, FlowName=flow.name)

            output = Machine(state, statements=[allowed]).start().output()
            refused = Machine(state, statements=[{**allowed, "Resource": "*", "Effect": "Deny"}])

            self.assertIn(answer, output)
            self.assertTrue(refused.start().end()["error"].startswith("Appflow."))

    def test_machine_sees_the_names_of_the_sdk(self) -> None:
        end = Machine(self.task("startFlow", FlowName="none")).start().end()

        self.assertEqual(end["error"], "Appflow.ResourceNotFoundException")
        self.assertEqual(end["cause"], "Flow with name none does not exist")


class BehaviourTest(unittest.TestCase):
    def test_end_may_be_reported_never_or_twice(self) -> None:
        flow = Flow()
        flow.behave(events=0)
        flow.behave(events=2)

        lost, twice = flow.start(), flow.start()

        reported = [flow.reports.receive()["detail"]["execution-id"] for _ in range(2)]
        self.assertEqual(reported, [twice, twice])
        poll(lambda: self.status(flow, lost) == "Successful", "the run that is not reported")

    def status(self, flow: Flow, run: str) -> str:
        return next(r["executionStatus"] for r in flow.runs() if r["executionId"] == run)

    def test_end_may_be_reported_before_start_flow_answers(self) -> None:
        flow = Flow()
        flow.behave(hold_seconds=0, answer_after_seconds=1.5)

        run = flow.start()

        self.assertEqual(flow.reports.receive(seconds=0.5)["detail"]["execution-id"], run)

    def test_start_may_be_refused(self) -> None:
        flow = Flow()
        flow.behave(refuse="ServiceQuotaExceededException")

        self.assertEqual(error_code(flow.start), "ServiceQuotaExceededException")
        self.assertEqual(flow.runs(), [])
        self.assertIsNone(error_code(flow.start))

    def test_what_was_said_of_one_flow_is_forgotten_alone(self) -> None:
        flow, other = Flow(), Flow()
        for each in (flow, other):
            each.behave(refuse="ServiceQuotaExceededException")

        local("DELETE", f"appflow?flow={flow.name}")

        self.assertIsNone(error_code(flow.start))
        self.assertEqual(error_code(other.start), "ServiceQuotaExceededException")

    def test_behaviour_that_is_not_understood_is_refused(self) -> None:
        with self.assertRaises(urllib.error.HTTPError) as refused:
            local("POST", "appflow", {"flow": "any", "mood": "bad"})

        self.assertEqual(refused.exception.code, 400)


if __name__ == "__main__":
    unittest.main()
