"""The clocks of a wait, its retries, its history, and the end of its execution."""

import json
import time
import unittest
from typing import Any

from tests.stack import Execution, Machine, Queue, client, error_code, poll, send_success

CATCH_ALL_FAILURES = [{"ErrorEquals": ["States.TaskFailed"], "Next": "State2"}]
CAUGHT = {"Type": "Pass", "Output": "{% $states.input %}", "End": True}


def retry(*errors: str, **fields: Any) -> list[dict]:
    return [{"ErrorEquals": list(errors), "IntervalSeconds": 1, "MaxAttempts": 1, **fields}]


class WaitTestCase(unittest.TestCase):
    def setUp(self) -> None:
        self.queue = Queue()

    def start(self, **fields: Any) -> Execution:
        return Machine(self.queue.wait_state(**fields)).start()

    def beat(self, token: str) -> str | None:
        return error_code(client("stepfunctions").send_task_heartbeat, taskToken=token)


class ClockTest(WaitTestCase):
    def test_wait_without_heartbeat_times_out(self) -> None:
        execution = self.start(HeartbeatSeconds=1)

        end = execution.end()

        self.assertEqual((end["status"], end["error"]), ("FAILED", "States.Timeout"))
        self.assertEqual(execution.event("TaskTimedOut")["error"], "States.Timeout")

    def test_heartbeats_keep_a_wait_open(self) -> None:
        execution = self.start(HeartbeatSeconds=2)
        token = self.queue.receive_token()
        started = time.monotonic()

        while time.monotonic() < started + 3:
            self.assertIsNone(self.beat(token))
            time.sleep(0.2)
        send_success(token, "alive")

        self.assertEqual(execution.output(), "alive")

    def test_heartbeats_do_not_extend_the_timeout(self) -> None:
        execution = self.start(TimeoutSeconds=2, HeartbeatSeconds=1)
        token = self.queue.receive_token()

        poll(lambda: self.beat(token) == "TaskTimedOut", "the timeout", seconds=4)

        self.assertEqual(execution.end()["error"], "States.Timeout")

    def test_clocks_may_be_jsonata(self) -> None:
        machine = Machine(
            self.queue.wait_state(
                TimeoutSeconds="{% $states.input.timeout %}", HeartbeatSeconds="{% 7 - 1 %}"
            )
        )

        execution = machine.start(timeout=1)

        self.assertEqual(execution.end()["error"], "States.Timeout")
        scheduled = execution.event("TaskScheduled")
        self.assertEqual(scheduled["timeoutInSeconds"], 1)
        self.assertEqual(scheduled["heartbeatInSeconds"], 6)

    def test_clock_that_is_not_a_positive_integer_fails_the_state(self) -> None:
        for clock in ("{% 1.5 %}", "{% 0 %}", "{% 'soon' %}", "{% $states.input.absent %}"):
            execution = self.start(TimeoutSeconds=clock)

            self.assertEqual(execution.end()["error"], "States.QueryEvaluationError")
            self.assertEqual(
                execution.event("EvaluationFailed")["error"], "States.QueryEvaluationError"
            )

    def test_clocks_may_be_paths(self) -> None:
        state = {
            "Type": "Task",
            "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            "Parameters": {
                "QueueUrl": self.queue.url,
                "MessageBody": {"token.$": "$$.Task.Token"},
            },
            "HeartbeatSecondsPath": "$.beat",
            "End": True,
        }

        execution = Machine(state, QueryLanguage="JSONPath").start(beat=1)

        self.assertEqual(execution.end()["error"], "States.Timeout")

    def test_task_failed_does_not_match_a_timeout(self) -> None:
        for error in ("States.Timeout", "States.HeartbeatTimeout"):
            machine = Machine(self.queue.wait_state(Catch=CATCH_ALL_FAILURES), CAUGHT)
            execution = machine.start()

            client("stepfunctions").send_task_failure(
                taskToken=self.queue.receive_token(), error=error
            )

            self.assertEqual(execution.end()["error"], error)

    def test_caught_timeout_has_error_and_cause(self) -> None:
        catch = [
            {
                "ErrorEquals": ["States.Timeout"],
                "Next": "State2",
                "Output": "{% $states.errorOutput %}",
            }
        ]

        execution = Machine(self.queue.wait_state(TimeoutSeconds=1, Catch=catch), CAUGHT).start()

        self.assertEqual(execution.output(), {"Error": "States.Timeout", "Cause": ""})


class RetryTest(WaitTestCase):
    def test_retry_has_a_token_of_its_own(self) -> None:
        timeout = "{% $states.context.State.RetryCount = 0 ? 1 : 20 %}"
        execution = self.start(TimeoutSeconds=timeout, Retry=retry("States.Timeout"))

        first, second = self.queue.receive(), self.queue.receive()

        self.assertNotEqual(first["token"], second["token"])
        self.assertEqual(self.beat(first["token"]), "TaskTimedOut")
        send_success(second["token"], "second")
        self.assertEqual(execution.output(), "second")

    def test_retry_counts_and_keeps_the_time_of_entry(self) -> None:
        self.start(TimeoutSeconds=1, Retry=retry("States.Timeout"))

        first, second = self.queue.receive()["state"], self.queue.receive()["state"]

        self.assertEqual((first["RetryCount"], second["RetryCount"]), (0, 1))
        self.assertEqual(first["EnteredTime"], second["EnteredTime"])
        self.assertRegex(first["EnteredTime"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")

    def test_max_delay_caps_the_backoff(self) -> None:
        started = time.monotonic()
        execution = self.start(
            TimeoutSeconds=1,
            Retry=retry("States.ALL", IntervalSeconds=60, MaxDelaySeconds=1, JitterStrategy="FULL"),
        )

        execution.end()

        self.assertLess(time.monotonic() - started, 20)


class ScheduledTaskTest(WaitTestCase):
    def test_branches_have_tokens_of_their_own(self) -> None:
        branches = [{"StartAt": "Wait", "States": {"Wait": self.queue.wait_state()}}] * 5
        execution = Machine({"Type": "Parallel", "Branches": branches, "End": True}).start()

        tokens = {self.queue.receive_token() for _ in branches}
        for token in tokens:
            send_success(token, token[:20])

        self.assertEqual(set(execution.output()), {token[:20] for token in tokens})

    def test_history_of_a_callback(self) -> None:
        execution = self.start(HeartbeatSeconds=10)
        token = self.queue.receive_token()
        poll(lambda: execution.events()[-1]["type"] == "TaskSubmitted", "TaskSubmitted")
        send_success(token, "done")
        execution.end()

        events = execution.events()

        self.assertEqual(
            [event["type"] for event in events],
            [
                "ExecutionStarted",
                "TaskStateEntered",
                "TaskScheduled",
                "TaskStarted",
                "TaskSubmitted",
                "TaskSucceeded",
                "TaskStateExited",
                "ExecutionSucceeded",
            ],
        )
        self.assertEqual([event["id"] for event in events], list(range(1, 9)))
        self.assertEqual(
            [event.get("previousEventId", 0) for event in events], [0, 0, 2, 3, 4, 5, 6, 7]
        )
        scheduled = execution.event("TaskScheduled")
        self.assertEqual(scheduled["resourceType"], "sqs")
        self.assertEqual(scheduled["resource"], "sendMessage.waitForTaskToken")
        self.assertEqual(scheduled["region"], "us-east-1")
        self.assertEqual(json.loads(scheduled["parameters"])["MessageBody"]["token"], token)
        self.assertEqual(execution.event("TaskSucceeded")["output"], '"done"')


class MachineTimeoutTest(WaitTestCase):
    def test_timeout_of_the_machine_ends_a_waiting_execution(self) -> None:
        execution = Machine(
            self.queue.wait_state(Catch=[{"ErrorEquals": ["States.ALL"], "Next": "State2"}]),
            CAUGHT,
            TimeoutSeconds=1,
        ).start()
        token = self.queue.receive_token()

        self.assertEqual(execution.end()["status"], "TIMED_OUT")
        self.assertEqual(execution.events()[-1]["type"], "ExecutionTimedOut")
        answer = error_code(client("stepfunctions").send_task_success, taskToken=token, output="1")
        self.assertEqual(answer, "TaskTimedOut")

    def test_timeout_of_the_machine_is_announced(self) -> None:
        machine = Machine(self.queue.wait_state(), TimeoutSeconds=1)
        announced = Queue()
        client("events").put_rule(
            Name=announced.url.rpartition("/")[2],
            EventPattern=json.dumps(
                {
                    "source": ["aws.states"],
                    "detail": {"status": ["TIMED_OUT"], "stateMachineArn": [machine.arn]},
                }
            ),
        )
        client("events").put_targets(
            Rule=announced.url.rpartition("/")[2], Targets=[{"Id": "queue", "Arn": announced.arn}]
        )

        execution = machine.start()

        self.assertEqual(announced.receive()["detail"]["executionArn"], execution.arn)

    def test_execution_that_ends_in_time_stays_succeeded(self) -> None:
        execution = Machine({"Type": "Pass", "End": True}, TimeoutSeconds=1).start()
        execution.end()

        time.sleep(1.2)  # Past the timeout: nothing may happen then, which cannot be polled.

        self.assertEqual(execution.describe()["status"], "SUCCEEDED")


class RedriveTest(WaitTestCase):
    def redrive(self, execution: Execution) -> str | None:
        return error_code(client("stepfunctions").redrive_execution, executionArn=execution.arn)

    def test_redriven_execution_goes_on_with_the_wait_it_failed_in(self) -> None:
        before = {
            "Type": "Pass",
            "Output": {"order": "{% $states.input.order %}"},
            "Assign": {"guest": "Ada"},
            "Next": "State2",
        }
        timeout = "{% $states.context.Execution.RedriveCount = 0 ? 1 : 20 %}"
        wait = self.queue.wait_state(TimeoutSeconds=timeout, End=False, Next="State3")
        after = {"Type": "Pass", "Output": "{% [$guest, $states.input] %}", "End": True}
        wait["Arguments"]["MessageBody"]["input"] = "{% $states.input %}"
        redrives = "{% $states.context.Execution.RedriveCount %}"
        wait["Arguments"]["MessageBody"]["redrives"] = redrives
        execution = Machine(before, wait, after).start(order=7)
        first = self.queue.receive()
        execution.end()

        self.assertIsNone(self.redrive(execution))
        second = self.queue.receive()
        send_success(second["token"], "paid")

        self.assertEqual(execution.output(), ["Ada", "paid"])
        self.assertEqual((first["redrives"], second["redrives"]), (0, 1))
        self.assertEqual(first["input"], second["input"])
        self.assertEqual(first["state"], second["state"])
        self.assertNotEqual(first["token"], second["token"])
        self.assertEqual(execution.describe()["redriveCount"], 1)
        self.assertEqual(execution.event("ExecutionRedriven"), {"redriveCount": 1})

    def test_caught_failure_that_ended_in_a_fail_state_just_fails_again(self) -> None:
        catch = [{"ErrorEquals": ["States.ALL"], "Next": "State2"}]
        fail = {"Type": "Fail", "Error": "GivenUp"}
        execution = Machine(self.queue.wait_state(TimeoutSeconds=1, Catch=catch), fail).start()
        execution.end()

        self.assertIsNone(self.redrive(execution))

        self.assertEqual(execution.end()["error"], "GivenUp")
        self.assertEqual(execution.events()[-1]["type"], "ExecutionFailed")

    def test_only_what_ended_without_success_can_be_redriven(self) -> None:
        execution = Machine(self.queue.wait_state()).start()
        token = self.queue.receive_token()

        self.assertEqual(self.redrive(execution), "ExecutionNotRedrivable")
        send_success(token)
        execution.end()

        self.assertEqual(self.redrive(execution), "ExecutionNotRedrivable")
        self.assertEqual(execution.describe()["redriveStatus"], "NOT_REDRIVABLE")


if __name__ == "__main__":
    unittest.main()
