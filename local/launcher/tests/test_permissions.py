"""What roles may do: callers of `SendTask*`, state machines, consumers of queues, readers of buckets."""

import json
import unittest
from typing import Any

from tests.stack import (
    ANYTHING,
    Function,
    Machine,
    Queue,
    client,
    client_of,
    create_role,
    error_code,
    local,
    poll,
    unique,
)


def allow(action: str, resource: str | list[str]) -> dict:
    return {"Effect": "Allow", "Action": action, "Resource": resource}


def deny(action: str) -> dict:
    return {"Effect": "Deny", "Action": action, "Resource": "*"}


def task(resource: str, **arguments: Any) -> dict:
    return {
        "Type": "Task",
        "Resource": f"arn:aws:states:::{resource}",
        "Arguments": arguments,
        "End": True,
    }


class CallbackAuthorizationTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.queue = Queue()
        cls.machine = Machine(cls.queue.wait_state())

    def caller(self, *statements: dict) -> Any:
        return client_of(create_role("lambda.amazonaws.com", list(statements)), "stepfunctions")

    def token(self) -> str:
        self.machine.start()
        return self.queue.receive_token()

    def test_policy_scoped_to_the_machine_allows_its_tokens(self) -> None:
        caller = self.caller(allow("states:SendTask*", self.machine.arn))
        token = self.token()

        self.assertIsNone(error_code(caller.send_task_heartbeat, taskToken=token))
        self.assertIsNone(error_code(caller.send_task_success, taskToken=token, output="1"))

    def test_policy_scoped_to_another_machine_refuses_them(self) -> None:
        caller = self.caller(allow("states:SendTask*", f"{self.machine.arn}-other"))

        answer = error_code(caller.send_task_success, taskToken=self.token(), output="1")

        self.assertEqual(answer, "AccessDeniedException")

    def test_policy_for_another_operation_refuses_them(self) -> None:
        caller = self.caller(allow("states:SendTaskHeartbeat", self.machine.arn))

        answer = error_code(caller.send_task_failure, taskToken=self.token())

        self.assertEqual(answer, "AccessDeniedException")

    def test_closed_token_is_still_authorized_against_its_machine(self) -> None:
        caller = self.caller(allow("states:SendTask*", self.machine.arn))
        token = self.token()
        caller.send_task_success(taskToken=token, output="1")

        answer = error_code(caller.send_task_success, taskToken=token, output="1")

        self.assertEqual(answer, "TaskTimedOut")

    def test_garbage_is_invalid_to_whoever_may_call_back_somewhere(self) -> None:
        scoped = self.caller(allow("states:SendTask*", self.machine.arn))
        without = self.caller(allow("sqs:*", "*"))

        self.assertEqual(
            error_code(scoped.send_task_success, taskToken="x", output="1"), "InvalidToken"
        )
        self.assertEqual(
            error_code(without.send_task_success, taskToken="x", output="1"),
            "AccessDeniedException",
        )


class MachineRoleTest(unittest.TestCase):
    def test_call_that_the_role_does_not_allow_fails_the_task(self) -> None:
        function, queue = Function(), Queue()
        child = Machine({"Type": "Pass", "End": True})
        event = {"EventBusName": "default", "Source": "s", "DetailType": "d", "Detail": {}}
        refusals = {
            "Lambda.AWSLambdaException": (
                "lambda:InvokeFunction",
                task("lambda:invoke", FunctionName=function.arn),
            ),
            "SQS.AmazonSQSException": (
                "sqs:SendMessage",
                task("sqs:sendMessage", QueueUrl=queue.url, MessageBody="m"),
            ),
            "EventBridge.AmazonEventBridgeException": (
                "events:PutEvents",
                task("events:putEvents", Entries=[event]),
            ),
            "StepFunctions.AWSStepFunctionsException": (
                "states:StartExecution",
                task("states:startExecution", StateMachineArn=child.arn),
            ),
            "DynamoDB.AmazonDynamoDBException": (
                "dynamodb:GetItem",
                task("dynamodb:getItem", TableName="none", Key={}),
            ),
            "Sfn.SfnException": (
                "states:ListExecutions",
                task("aws-sdk:sfn:listExecutions", StateMachineArn=child.arn),
            ),
            "S3.S3Exception": (
                "s3:ListBucket",
                task("aws-sdk:s3:listObjectsV2", Bucket="artifacts"),
            ),
        }
        running = [
            (error, action, Machine(state, statements=[*ANYTHING, deny(action)]).start())
            for error, (action, state) in refusals.items()
        ]

        for error, action, execution in running:
            end = execution.end()
            self.assertEqual((end["status"], end["error"]), ("FAILED", error))
            self.assertIn(f"is not authorized to perform: {action} on resource", end["cause"])

    def test_policy_for_the_one_resource_is_enough(self) -> None:
        function, queue = Function(), Queue()
        child = Machine({"Type": "Pass", "End": True})
        bus = "arn:aws:events:us-east-1:000000000000:event-bus/default"
        event = {"EventBusName": "default", "Source": "s", "DetailType": "d", "Detail": {}}
        permitted = [
            (
                allow("lambda:InvokeFunction", function.arn),
                {**task(""), "Resource": function.arn, "Arguments": {"do": []}},
            ),
            (
                allow("lambda:InvokeFunction", function.arn),
                task("lambda:invoke", FunctionName=function.arn, Payload={"do": []}),
            ),
            (
                allow("sqs:SendMessage", queue.arn),
                task("sqs:sendMessage", QueueUrl=queue.url, MessageBody="m"),
            ),
            (allow("events:PutEvents", bus), task("events:putEvents", Entries=[event])),
            (
                allow("states:StartExecution", child.arn),
                task("states:startExecution", StateMachineArn=child.arn),
            ),
            (
                allow("states:ListExecutions", child.arn),
                task("aws-sdk:sfn:listExecutions", StateMachineArn=child.arn),
            ),
            (
                allow("s3:ListBucket", "arn:aws:s3:::artifacts"),
                task("aws-sdk:s3:listObjectsV2", Bucket="artifacts"),
            ),
        ]
        running = [Machine(state, statements=[statement]).start() for statement, state in permitted]

        for execution in running:
            execution.output()

    def test_refused_wait_ends_at_once(self) -> None:
        queue = Queue()

        end = Machine(queue.wait_state(), statements=[deny("sqs:*")]).start().end()

        self.assertEqual(end["error"], "SQS.AmazonSQSException")


class QueueConsumerRoleTest(unittest.TestCase):
    def test_nothing_is_delivered_to_a_role_that_may_not_read_the_queue(self) -> None:
        read = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
        for missing in read:
            queue = Queue()
            function = Function([allow(action, queue.arn) for action in read if action != missing])
            self.consume(queue, function)

            # The one that may is served after the one that may not: both were looked at.
            able_queue = Queue()
            able = Function([allow(action, able_queue.arn) for action in read])
            self.consume(able_queue, able)

            poll(lambda: "delivered" in able.read_log(), "the delivery")
            self.assertEqual(function.read_log(), "")

    def consume(self, queue: Queue, function: Function) -> None:
        client("lambda").create_event_source_mapping(
            FunctionName=function.name, EventSourceArn=queue.arn
        )
        queue.send({"do": [["print", "delivered"]]})


class SecureTransportTest(unittest.TestCase):
    def test_policy_against_plain_http_lets_loopback_in(self) -> None:
        queue = Queue()
        queue_policy = self.insecure_denied("sqs:*", queue.arn)
        client("sqs").set_queue_attributes(
            QueueUrl=queue.url, Attributes={"Policy": json.dumps(queue_policy)}
        )
        client("s3").create_bucket(Bucket="secure")
        client("s3").put_bucket_policy(
            Bucket="secure", Policy=json.dumps(self.insecure_denied("s3:*", "arn:aws:s3:::secure"))
        )
        role = create_role("lambda.amazonaws.com", ANYTHING)

        client_of(role, "sqs").send_message(QueueUrl=queue.url, MessageBody='"sent"')
        client_of(role, "s3").list_objects_v2(Bucket="secure")

        self.assertEqual(queue.receive(), "sent")
        sent = Machine(task("sqs:sendMessage", QueueUrl=queue.url, MessageBody="{}")).start()
        sent.output()

    def insecure_denied(self, action: str, resource: str) -> dict:
        return {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": action,
                    "Resource": resource,
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                }
            ],
        }


class RecordTest(unittest.TestCase):
    """What `run_record` says of a role's statements."""

    def needed(self, role: str) -> dict[str, str | None]:
        place = f"role {role.rpartition('/')[2]}"
        record = local("GET", "record")
        return {p["statement"]: p["needed_by"] for p in record["permissions"] if p["place"] == place}

    def test_statement_is_needed_that_alone_allows_a_request(self) -> None:
        queue = Queue()
        send = {**allow("sqs:SendMessage", queue.arn), "Sid": "Send"}
        receive = {**allow("sqs:ReceiveMessage", queue.arn), "Sid": "Receive"}
        role = create_role("lambda.amazonaws.com", [send, receive])
        self.assertEqual(self.needed(role), {"Send": None, "Receive": None})

        client_of(role, "sqs").send_message(QueueUrl=queue.url, MessageBody="1")

        needed_by = f"sqs:SendMessage on {queue.arn}"
        self.assertEqual(self.needed(role), {"Send": needed_by, "Receive": None})

    def test_statements_that_allow_the_same_are_not_needed(self) -> None:
        queue = Queue()
        once = {**allow("sqs:SendMessage", queue.arn), "Sid": "Once"}
        again = {**allow("sqs:*", queue.arn), "Sid": "Again"}
        role = create_role("lambda.amazonaws.com", [once, again])

        client_of(role, "sqs").send_message(QueueUrl=queue.url, MessageBody="1")

        self.assertEqual(self.needed(role), {"Once": None, "Again": None})

    def test_each_resource_of_a_statement_has_a_need_of_its_own(self) -> None:
        used, unused = Queue(), Queue()
        send = {**allow("sqs:SendMessage", [used.arn, unused.arn]), "Sid": "Send"}
        role = create_role("lambda.amazonaws.com", [send])

        client_of(role, "sqs").send_message(QueueUrl=used.url, MessageBody="1")

        needed_by = f"sqs:SendMessage on {used.arn}"
        self.assertEqual(
            self.needed(role), {"Send, resource 0": needed_by, "Send, resource 1": None}
        )

    def test_token_that_was_never_issued_shows_no_need(self) -> None:
        machine = Machine(Queue().wait_state())
        answer = {**allow("states:SendTaskSuccess", machine.arn), "Sid": "Answer"}
        role = create_role("lambda.amazonaws.com", [answer])
        caller = client_of(role, "stepfunctions")

        refusal = error_code(caller.send_task_success, taskToken="made up", output="1")

        self.assertEqual(refusal, "InvalidToken")
        self.assertEqual(self.needed(role), {"Answer": None})


if __name__ == "__main__":
    unittest.main()


class MissingObjectTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.bucket = unique("bucket")
        client("s3").create_bucket(Bucket=cls.bucket)
        client("s3").put_object(Bucket=cls.bucket, Key="there", Body=b"it is")
        cls.read = allow("s3:GetObject", f"arn:aws:s3:::{cls.bucket}/*")
        cls.list = allow("s3:ListBucket", f"arn:aws:s3:::{cls.bucket}")

    def answers(self, key: str, *statements: dict) -> list[str | None]:
        caller = client_of(create_role("lambda.amazonaws.com", list(statements)), "s3")
        reads = (caller.get_object, caller.head_object)
        return [error_code(read, Bucket=self.bucket, Key=key) for read in reads]

    def test_who_may_list_is_told_that_it_is_missing(self) -> None:
        self.assertEqual(self.answers("gone", self.read, self.list), ["NoSuchKey", "404"])

    def test_who_may_not_list_is_refused(self) -> None:
        self.assertEqual(self.answers("gone", self.read), ["AccessDenied", "403"])

    def test_who_may_not_list_reads_what_is_there(self) -> None:
        self.assertEqual(self.answers("there", self.read), [None, None])

    def test_missing_bucket_is_missing_for_everybody(self) -> None:
        other = unique("bucket")
        caller = client_of(create_role("lambda.amazonaws.com", ANYTHING), "s3")

        self.assertEqual(error_code(caller.get_object, Bucket=other, Key="k"), "NoSuchBucket")
