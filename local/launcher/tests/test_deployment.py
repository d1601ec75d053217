"""What a deployment sets, and what AWS refuses to deploy."""

import json
import unittest

from tests.stack import (
    BUCKET,
    Function,
    client,
    create_role,
    deployment_package,
    error_code,
    poll,
    unique,
    ANYTHING,
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


def machine(name: str) -> dict:
    definition = {"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}
    return {
        "Type": "AWS::StepFunctions::StateMachine",
        "Properties": {
            "StateMachineName": name,
            "DefinitionString": json.dumps(definition),
            "RoleArn": create_role("states.amazonaws.com", ANYTHING),
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


class MachineNameTest(unittest.TestCase):
    def test_name_of_more_than_80_characters_is_refused(self) -> None:
        longest = unique("machine").ljust(80, "x")

        self.assertEqual(deploy(Machine=machine(longest))[0], "CREATE_COMPLETE")
        status, reason = deploy(Machine=machine(f"{longest}x"))

        self.assertEqual(status, "ROLLBACK_COMPLETE")
        self.assertIn("Member must have length less than or equal to 80", reason)


if __name__ == "__main__":
    unittest.main()
