"""Task tokens and what the three `SendTask*` operations answer."""

import json
import unittest
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.stack import Execution, Machine, Queue, client, error_code, send_success

SUCCEEDED, TIMED_OUT = None, "TaskTimedOut"


class CallbackTest(unittest.TestCase):
    def setUp(self) -> None:
        self.states = client("stepfunctions")
        self.queue = Queue()

    def start(self, **fields: Any) -> tuple[Execution, str]:
        execution = Machine(self.queue.wait_state(**fields)).start()
        return execution, self.queue.receive_token()

    def answers(self, token: str) -> list[str | None]:
        return [
            error_code(self.states.send_task_success, taskToken=token, output="1"),
            error_code(self.states.send_task_failure, taskToken=token),
            error_code(self.states.send_task_heartbeat, taskToken=token),
        ]

    def test_output_of_the_callback_is_the_result_of_the_task(self) -> None:
        execution, token = self.start()

        send_success(token, {"price": 12})

        self.assertEqual(execution.output(), {"price": 12})

    def test_error_of_the_callback_fails_the_task(self) -> None:
        execution, token = self.start()

        self.states.send_task_failure(taskToken=token, error="Refused", cause="no reason")

        end = execution.end()
        self.assertEqual((end["error"], end["cause"]), ("Refused", "no reason"))

    def test_token_is_long_and_opaque(self) -> None:
        _, token = self.start()

        self.assertRegex(token, r"^[A-Za-z][A-Za-z0-9_-]{599,2047}$")

    def test_token_that_was_never_issued_is_invalid(self) -> None:
        self.assertEqual(self.answers("garbage"), ["InvalidToken"] * 3)

    def test_token_of_a_succeeded_task_has_timed_out(self) -> None:
        execution, token = self.start()
        send_success(token)
        execution.end()

        self.assertEqual(self.answers(token), [TIMED_OUT] * 3)

    def test_token_of_a_failed_task_has_timed_out(self) -> None:
        execution, token = self.start()
        self.states.send_task_failure(taskToken=token)
        execution.end()

        self.assertEqual(self.answers(token), [TIMED_OUT] * 3)

    def test_token_of_a_task_that_ran_out_of_time_has_timed_out(self) -> None:
        execution, token = self.start(TimeoutSeconds=1)
        execution.end()

        self.assertEqual(self.answers(token), [TIMED_OUT] * 3)

    def test_token_of_a_stopped_execution_has_timed_out(self) -> None:
        execution, token = self.start()
        execution.stop()

        self.assertEqual(self.answers(token), [TIMED_OUT] * 3)
        self.assertEqual(execution.describe()["status"], "ABORTED")
        self.assertEqual(execution.events()[-1]["type"], "ExecutionAborted")

    def test_of_many_answers_at_once_exactly_one_wins(self) -> None:
        execution, token = self.start()

        with ThreadPoolExecutor(8) as pool:
            answers = list(
                pool.map(
                    lambda n: error_code(
                        self.states.send_task_success, taskToken=token, output=str(n)
                    ),
                    range(8),
                )
            )

        self.assertEqual(answers.count(SUCCEEDED), 1)
        self.assertEqual(answers.count(TIMED_OUT), 7)
        self.assertEqual(execution.output(), answers.index(SUCCEEDED))

    def test_output_that_is_not_json_is_refused_and_the_task_waits_on(self) -> None:
        execution, token = self.start()

        for output in ("{", "", "NaN"):
            answer = error_code(self.states.send_task_success, taskToken=token, output=output)
            self.assertEqual(answer, "InvalidOutput")

        send_success(token, "valid")
        self.assertEqual(execution.output(), "valid")

    def test_values_over_their_limits_are_refused(self) -> None:
        _, token = self.start()
        limit = json.dumps("x" * 262_142)

        for call, arguments in (
            (self.states.send_task_success, {"output": limit[:-1] + 'x"'}),
            (self.states.send_task_failure, {"error": "x" * 257}),
            (self.states.send_task_failure, {"cause": "x" * 32_769}),
        ):
            self.assertEqual(error_code(call, taskToken=token, **arguments), "ValidationException")
        self.assertIsNone(error_code(self.states.send_task_success, taskToken=token, output=limit))

    def test_token_over_2048_characters_is_refused(self) -> None:
        answer = error_code(self.states.send_task_heartbeat, taskToken="x" * 2049)

        self.assertEqual(answer, "ValidationException")

    def test_workflow_sees_the_names_of_the_sdk(self) -> None:
        machine = Machine(
            {
                "Type": "Task",
                "Resource": "arn:aws:states:::aws-sdk:sfn:sendTaskSuccess",
                "Arguments": {"TaskToken": "garbage", "Output": "1"},
                "End": True,
            }
        )

        self.assertEqual(machine.start().end()["error"], "Sfn.InvalidTokenException")


if __name__ == "__main__":
    unittest.main()
