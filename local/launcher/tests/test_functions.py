"""Functions: in a wait, behind a queue, their logs and environment, and faults in their calls."""

import json
import time
import unittest
import urllib.error

from tests.stack import (
    BUCKET,
    Function,
    Machine,
    Queue,
    client,
    local,
    poll,
    send_success,
)

TOKEN = "{% $states.context.Task.Token %}"
CAUGHT = {"Type": "Pass", "Output": "{% $states.input %}", "End": True}


def succeed(token: str, output: object) -> list:
    """The step that calls back."""
    request = {"taskToken": token, "output": json.dumps(output)}
    return ["call", "stepfunctions", "send_task_success", request]


class WaitingFunctionTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.function = Function()

    def test_function_that_fails_fails_the_task_by_its_error_type(self) -> None:
        execution = Machine(self.function.wait_state(["fail", "OutOfFlour"])).start()

        end = execution.end()

        self.assertEqual(end["error"], "OutOfFlour")
        self.assertEqual(json.loads(end["cause"])["errorMessage"], "as told")

    def test_function_that_dies_fails_the_task(self) -> None:
        execution = Machine(self.function.wait_state(["exit", 1])).start()

        self.assertEqual(execution.end()["error"], "Runtime.ExitError")

    def test_function_that_times_out_fails_the_task(self) -> None:
        function = Function(Timeout=1)

        execution = Machine(function.wait_state(["sleep", 10])).start()

        self.assertEqual(execution.end()["error"], "Sandbox.Timedout")

    def test_function_that_is_not_there_fails_the_task(self) -> None:
        state = self.function.wait_state()
        state["Arguments"]["FunctionName"] = "nobody"

        execution = Machine(state).start()

        self.assertEqual(execution.end()["error"], "Lambda.ResourceNotFoundException")

    def test_function_without_concurrency_left_is_throttled(self) -> None:
        function = Function()
        client("lambda").put_function_concurrency(
            FunctionName=function.name, ReservedConcurrentExecutions=0
        )

        execution = Machine(function.wait_state()).start()

        self.assertEqual(execution.end()["error"], "Lambda.TooManyRequestsException")

    def test_failing_function_is_retried_and_caught(self) -> None:
        execution = Machine(
            self.function.wait_state(
                ["fail", "OutOfFlour"],
                Retry=[{"ErrorEquals": ["OutOfFlour"], "IntervalSeconds": 1, "MaxAttempts": 1}],
                Catch=[
                    {
                        "ErrorEquals": ["OutOfFlour"],
                        "Next": "State2",
                        "Output": "{% $states.errorOutput.Error %}",
                    }
                ],
            ),
            CAUGHT,
        ).start()

        self.assertEqual(execution.output(), "OutOfFlour")
        kinds = [event["type"] for event in execution.events()]
        self.assertEqual(kinds.count("TaskFailed"), 2)

    def test_callback_may_come_before_the_function_returns(self) -> None:
        started = time.monotonic()
        execution = Machine(
            self.function.wait_state(succeed(TOKEN, "early"), ["sleep", 15])
        ).start()

        self.assertEqual(execution.output(), "early")
        self.assertLess(time.monotonic() - started, 15)

    def test_timeout_runs_while_the_function_runs(self) -> None:
        execution = Machine(self.function.wait_state(["sleep", 5], TimeoutSeconds=1)).start()

        self.assertEqual(execution.end()["error"], "States.Timeout")

    def test_function_that_returned_leaves_the_task_waiting(self) -> None:
        queue = Queue()
        message = {"QueueUrl": queue.url, "MessageBody": TOKEN_MESSAGE}
        execution = Machine(
            self.function.wait_state(["call", "sqs", "send_message", message])
        ).start()
        poll(lambda: execution.events()[-1]["type"] == "TaskSubmitted", "TaskSubmitted")

        send_success(queue.receive_token(), "later")

        self.assertEqual(execution.output(), "later")


TOKEN_MESSAGE = "{% $string({'token': $states.context.Task.Token}) %}"


class QueueConsumerTest(unittest.TestCase):
    def test_message_that_kills_its_function_returns_and_then_goes_to_the_dead_letter_queue(
        self,
    ) -> None:
        dead_letters = Queue()
        redrive = {"deadLetterTargetArn": dead_letters.arn, "maxReceiveCount": 2}
        # Time enough for a process to start on a busy machine: the exit is to kill the function, not its timeout.
        queue = Queue(VisibilityTimeout="4", RedrivePolicy=json.dumps(redrive))
        function = Function(Timeout=4)
        client("lambda").create_event_source_mapping(
            FunctionName=function.name, EventSourceArn=queue.arn, BatchSize=1
        )

        queue.send({"do": [["print", "received"], ["exit", 1]]})

        self.assertEqual(dead_letters.receive(seconds=30)["do"][0], ["print", "received"])
        self.assertEqual(function.read_log().count("received"), 2)


class QueueLoopTest(unittest.TestCase):
    def run_loop(self, setting: str) -> tuple[Function, Queue]:
        """A function that puts a message back for 20 rounds; its queue's dead-letter queue."""
        dead_letters = Queue()
        redrive = {"deadLetterTargetArn": dead_letters.arn, "maxReceiveCount": 3}
        queue = Queue(RedrivePolicy=json.dumps(redrive))
        function = Function()
        client("lambda").put_function_recursion_config(
            FunctionName=function.name, RecursiveLoop=setting
        )
        client("lambda").create_event_source_mapping(
            FunctionName=function.name, EventSourceArn=queue.arn, BatchSize=1
        )
        queue.send({"do": [["loop", queue.url, 20]]})
        return function, dead_letters

    def test_loop_is_stopped_after_sixteen_invocations(self) -> None:
        function, dead_letters = self.run_loop("Terminate")

        self.assertEqual(dead_letters.receive()["do"][0][2], 4)
        self.assertEqual(function.read_log().count("round"), 16)

    def test_loop_that_is_allowed_goes_on(self) -> None:
        function, _ = self.run_loop("Allow")

        poll(lambda: function.read_log().count("round") == 20, "the last round")


class LogAndEnvironmentTest(unittest.TestCase):
    def test_every_line_is_in_the_log_at_once_even_of_a_function_that_dies(self) -> None:
        function = Function()

        function.invoke(*(["print", f"line {n}"] for n in range(3)), ["exit", 1])

        poll(lambda: function.read_log().count("\n") >= 3, "three lines")
        self.assertIn("line 0\nline 1\nline 2\n", function.read_log())

    def test_results_and_errors_are_in_the_answers(self) -> None:
        function = Function()

        result = function.invoke(["environment", "AWS_LAMBDA_FUNCTION_NAME"])
        error = function.invoke(["fail", "OutOfFlour"])

        self.assertEqual(function.read_answers(), [result, error])

    def test_log_settings_are_in_the_environment(self) -> None:
        names = ("AWS_LAMBDA_LOG_FORMAT", "AWS_LAMBDA_LOG_LEVEL")
        json_function = Function(
            LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "DEBUG"}
        )

        self.assertEqual(
            json_function.invoke(["environment", *names]), dict(zip(names, ("JSON", "DEBUG")))
        )
        self.assertEqual(
            Function().invoke(["environment", *names]), dict(zip(names, ("Text", None)))
        )


class FaultTest(unittest.TestCase):
    def setUp(self) -> None:
        self.function = Function()
        self.queue = Queue()

    def arm(self, operation: str, when: str, action: str | dict, times: int = 1) -> None:
        local(
            "POST",
            "faults",
            {
                "function": self.function.name,
                "operation": operation,
                "when": when,
                "action": action,
                "times": times,
            },
        )

    def fired(self) -> int:
        return sum(
            f["fired"] for f in local("GET", "faults") if f["function"] == self.function.name
        )

    def send(self) -> dict:
        message = {"QueueUrl": self.queue.url, "MessageBody": "{}"}
        return self.function.invoke(["call", "sqs", "send_message", message])

    def messages(self) -> int:
        attributes = client("sqs").get_queue_attributes(
            QueueUrl=self.queue.url, AttributeNames=["ApproximateNumberOfMessages"]
        )
        return int(attributes["Attributes"]["ApproximateNumberOfMessages"])

    def test_kill_before_the_call_leaves_it_undone(self) -> None:
        self.arm("sqs:SendMessage", "before", "kill")

        self.assertEqual(self.send()["errorType"], "Runtime.ExitError")

        self.assertEqual((self.messages(), self.fired()), (0, 1))
        self.assertIn("MessageId", self.send())

    def test_kill_after_the_call_leaves_it_done(self) -> None:
        self.arm("sqs:SendMessage", "after", "kill")

        self.assertEqual(self.send()["errorType"], "Runtime.ExitError")

        self.assertEqual((self.messages(), self.fired()), (1, 1))

    def test_error_is_answered_in_the_protocol_of_the_service(self) -> None:
        # A name that no SDK retries.
        error = {"error": "Injected", "status": 418, "message": "slow down"}
        table = {"TableName": "none", "Key": {}}
        for operation, call in (
            ("states:SendTaskSuccess", succeed("garbage", 1)),
            ("dynamodb:GetItem", ["call", "dynamodb", "get_item", table]),
            ("s3:ListBucket", ["call", "s3", "list_objects_v2", {"Bucket": BUCKET}]),
        ):
            self.arm(operation, "before", error)

            failure = self.function.invoke(call)["errorMessage"]

            self.assertIn("(Injected)", failure)
            self.assertIn("slow down", failure)

    def test_fault_strikes_only_its_function(self) -> None:
        self.arm("sqs:SendMessage", "before", "kill")

        self.queue.send({})

        self.assertEqual((self.messages(), self.fired()), (1, 0))

    def test_cleared_fault_strikes_nothing(self) -> None:
        self.arm("sqs:SendMessage", "before", "kill")

        local("DELETE", "faults")

        self.assertIn("MessageId", self.send())
        self.assertEqual(local("GET", "faults"), [])

    def test_faults_of_one_function_are_cleared_alone(self) -> None:
        other = FaultTest()
        other.setUp()
        for test in (self, other):
            test.arm("sqs:SendMessage", "before", "kill")

        local("DELETE", f"faults?function={self.function.name}")

        self.assertIn("MessageId", self.send())
        self.assertEqual(other.send()["errorType"], "Runtime.ExitError")

    def test_malformed_fault_is_refused(self) -> None:
        for when, action in (("later", "kill"), ("before", "explode")):
            with self.assertRaises(urllib.error.HTTPError) as refused:
                self.arm("sqs:SendMessage", when, action)

            self.assertEqual(refused.exception.code, 400)

    def test_requests_of_a_function_are_listed(self) -> None:
        self.function.invoke(succeed("garbage", 1))
        self.send()

        requests = local("GET", f"requests?function={self.function.name}")

        self.assertEqual(
            [request["operation"] for request in requests],
            ["states:SendTaskSuccess", "sqs:SendMessage"],
        )
        self.assertNotIn("garbage", json.dumps(requests))


if __name__ == "__main__":
    unittest.main()
