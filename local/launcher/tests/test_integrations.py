"""Service integrations of state machines: events on a bus, items of a table."""

import json
import unittest
from typing import Any

from tests.stack import Machine, Queue, client, send_success, unique

WRITERS = 40


class PutEventsTest(unittest.TestCase):
    def setUp(self) -> None:
        self.source = unique("source")
        self.queue = Queue()
        rule = unique("rule")
        pattern = json.dumps({"source": [self.source]})
        client("events").put_rule(Name=rule, EventPattern=pattern)
        client("events").put_targets(Rule=rule, Targets=[{"Id": "1", "Arn": self.queue.arn}])

    def state(self, kind: str = "", **entry: Any) -> dict:
        entry = {"Source": self.source, "DetailType": "Told", "Detail": {"a": 1}, **entry}
        return {
            "Type": "Task",
            "Resource": f"arn:aws:states:::events:putEvents{kind}",
            "Arguments": {"Entries": [entry]},
            "TimeoutSeconds": 60,
            "End": True,
        }

    def test_event_names_the_machine_and_the_execution(self) -> None:
        machine = Machine(self.state(Resources=["arn:aws:s3:::mine"]))
        execution = machine.start()

        event = self.queue.receive()

        self.assertEqual(event["resources"], ["arn:aws:s3:::mine", machine.arn, execution.arn])
        self.assertEqual(event["detail"], {"a": 1})
        self.assertEqual(execution.output()["FailedEntryCount"], 0)

    def test_token_in_an_event_resumes_the_workflow(self) -> None:
        detail = {"token": "{% $states.context.Task.Token %}"}
        execution = Machine(self.state(".waitForTaskToken", Detail=detail)).start()

        send_success(self.queue.receive()["detail"]["token"], "told")

        self.assertEqual(execution.output(), "told")

    def test_entry_that_the_bus_refuses_fails_the_task(self) -> None:
        for kind in ("", ".waitForTaskToken"):
            detail = {"token": "{% $states.context.Task.Token %}"} if kind else {}
            execution = Machine(self.state(kind, Source="aws.forged", Detail=detail)).start()

            self.assertEqual(execution.end()["error"], "EventBridge.FailedEntry")


class ItemWritesTest(unittest.TestCase):
    def test_writes_of_many_executions_to_one_item_do_not_overwrite_each_other(self) -> None:
        table = unique("table")
        client("dynamodb").create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        )
        padding = {f"field{number}": {"S": "x" * 1_000} for number in range(100)}
        client("dynamodb").put_item(TableName=table, Item={"id": {"S": "1"}, **padding})
        count = {
            "Type": "Task",
            "Resource": "arn:aws:states:::dynamodb:updateItem",
            "Arguments": {
                "TableName": table,
                "Key": {"id": {"S": "1"}},
                "UpdateExpression": "SET written = if_not_exists(written, :zero) + :one",
                "ExpressionAttributeValues": {":zero": {"N": "0"}, ":one": {"N": "1"}},
                "ReturnValues": "UPDATED_NEW",
            },
            "Output": "{% $number($states.result.Attributes.written.N) %}",
            "End": True,
        }
        machine = Machine(count)

        executions = [machine.start() for _ in range(WRITERS)]

        counted = sorted(execution.output() for execution in executions)
        self.assertEqual(counted, list(range(1, WRITERS + 1)))
