"""What a deployment sets, and what AWS refuses to deploy."""

import json
import unittest

from tests.stack import (
    ANYTHING,
    BUCKET,
    Execution,
    Function,
    client,
    create_role,
    deployment_package,
    error_code,
    poll,
    unique,
)


def deploy(**resources: dict) -> tuple[str, str]:
    """Deploys these resources, each its type and properties; how that ended, and why."""
    name = unique("stack")
    client("cloudformation").create_stack(
        StackName=name, TemplateBody=json.dumps({"Resources": resources})
    )

    def ended() -> dict | None:
        stack = client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
        return None if stack["StackStatus"].endswith("IN_PROGRESS") else stack

    status = poll(ended, "the deployment's end")["StackStatus"]
    events = client("cloudformation").describe_stack_events(StackName=name)["StackEvents"]
    return status, " ".join(event.get("ResourceStatusReason", "") for event in events)


def function(**properties: object) -> dict:
    key = unique("package")
    client("s3").put_object(Bucket=BUCKET, Key=key, Body=deployment_package())
    return {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "FunctionName": unique("deployed"),
            "Runtime": "provided.al2023",
            "Handler": "bootstrap",
            "Role": create_role("lambda.amazonaws.com", ANYTHING),
            "Code": {"S3Bucket": BUCKET, "S3Key": key},
            **properties,
        },
    }


def machine(name: str, statements: list[dict] = ANYTHING, **properties: object) -> dict:
    definition = {"StartAt": "End", "States": {"End": {"Type": "Fail", "Error": "Always"}}}
    return {
        "Type": "AWS::StepFunctions::StateMachine",
        "Properties": {
            "StateMachineName": name,
            "DefinitionString": json.dumps(definition),
            "RoleArn": create_role("states.amazonaws.com", statements),
            **properties,
        },
    }


class NewAccountTest(unittest.TestCase):
    def test_reservation_leaves_too_little_to_others(self) -> None:
        status, reason = deploy(Reserving=function(ReservedConcurrentExecutions=1))

        self.assertEqual(status, "ROLLBACK_COMPLETE")
        self.assertIn("UnreservedConcurrentExecution below its minimum value of [10]", reason)

    def test_reservation_is_refused_over_the_api_too_but_not_that_of_nothing(self) -> None:
        put = client("lambda").put_function_concurrency
        name = Function().name

        refused = error_code(put, FunctionName=name, ReservedConcurrentExecutions=1)

        self.assertEqual(refused, "InvalidParameterValueException")
        self.assertIsNone(error_code(put, FunctionName=name, ReservedConcurrentExecutions=0))

    def test_function_without_a_reservation_is_deployed(self) -> None:
        self.assertEqual(deploy(Modest=function())[0], "CREATE_COMPLETE")


class LoopSettingTest(unittest.TestCase):
    def test_template_says_whether_loops_are_stopped(self) -> None:
        for said, setting in (({}, "Terminate"), ({"RecursiveLoop": "Allow"}, "Allow")):
            resource = function(**said)

            deploy(Looping=resource)

            name = resource["Properties"]["FunctionName"]
            found = client("lambda").get_function_recursion_config(FunctionName=name)
            self.assertEqual(found["RecursiveLoop"], setting)


class TableTest(unittest.TestCase):
    def test_template_says_whether_a_table_can_be_restored(self) -> None:
        for setting, status in ((True, "ENABLED"), (False, "DISABLED")):
            name = unique("table")
            properties = {
                "TableName": name,
                "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": setting},
            }

            deploy(Table={"Type": "AWS::DynamoDB::Table", "Properties": properties})

            backups = client("dynamodb").describe_continuous_backups(TableName=name)
            recovery = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
            self.assertEqual(recovery["PointInTimeRecoveryStatus"], status)


class MachineNameTest(unittest.TestCase):
    def test_name_of_more_than_80_characters_is_refused(self) -> None:
        longest = unique("machine").ljust(80, "x")

        self.assertEqual(deploy(Machine=machine(longest))[0], "CREATE_COMPLETE")
        status, reason = deploy(Machine=machine(f"{longest}x"))

        self.assertEqual(status, "ROLLBACK_COMPLETE")
        self.assertIn("Member must have length less than or equal to 80", reason)


class MachineLogTest(unittest.TestCase):
    def setUp(self) -> None:
        self.group = unique("/aws/vendedlogs/states/group")
        client("logs").create_log_group(logGroupName=self.group)
        arn = f"arn:aws:logs:us-east-1:000000000000:log-group:{self.group}:*"
        self.logging = {
            "Level": "ERROR",
            "IncludeExecutionData": False,
            "Destinations": [{"CloudWatchLogsLogGroup": {"LogGroupArn": arn}}],
        }

    def test_failures_are_logged_without_the_input(self) -> None:
        name = unique("machine")
        deploy(Machine=machine(name, LoggingConfiguration=self.logging))
        arn = f"arn:aws:states:us-east-1:000000000000:stateMachine:{name}"
        started = client("stepfunctions").start_execution(
            stateMachineArn=arn, input='{"secret": "xyzzy"}'
        )

        Execution(started["executionArn"]).end()

        events = client("logs").filter_log_events(logGroupName=self.group)["events"]
        lines = [json.loads(event["message"]) for event in events]
        self.assertEqual([line["type"] for line in lines], ["FailStateEntered", "ExecutionFailed"])
        self.assertEqual(lines[-1]["execution_arn"], started["executionArn"])
        self.assertNotIn("xyzzy", json.dumps(events))

    def test_machine_whose_role_may_not_deliver_logs_is_not_created(self) -> None:
        but_one = [*ANYTHING, {"Effect": "Deny", "Action": "logs:GetLogDelivery", "Resource": "*"}]

        status, reason = deploy(
            Machine=machine(unique("machine"), but_one, LoggingConfiguration=self.logging)
        )

        self.assertEqual(status, "ROLLBACK_COMPLETE")
        self.assertIn("not authorized to access the Log Destination", reason)


if __name__ == "__main__":
    unittest.main()
