"""What processes cost that wait for their next invocation."""

import re
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests import stack

PROCESSES = 20
SECONDS = 2


class IdleProcessesTest(unittest.TestCase):
    def test_waiting_processes_wake_nothing_up(self) -> None:
        launcher = stack.Launcher()
        self.addCleanup(launcher.stop)
        functions = stack.root_client("lambda", launcher.endpoint)
        role = stack.root_client("iam", launcher.endpoint).create_role(
            RoleName="function", AssumeRolePolicyDocument="{}"
        )["Role"]
        functions.create_function(
            FunctionName="crowd",
            Runtime="provided.al2023",
            Role=role["Arn"],
            Handler="bootstrap",
            Code={"ZipFile": stack.deployment_package()},
            Timeout=60,
        )
        alone = self.wake_ups(launcher.process.pid)
        with ThreadPoolExecutor(PROCESSES) as crowd:
            asleep = b'{"do": [["sleep", 3]]}'
            invocations = [
                crowd.submit(functions.invoke, FunctionName="crowd", Payload=asleep)
                for _ in range(PROCESSES)
            ]
        self.assertEqual({i.result()["StatusCode"] for i in invocations}, {200})

        with_the_crowd = self.wake_ups(launcher.process.pid)

        # Each woke two threads up ten times a second.
        self.assertLess(with_the_crowd - alone, PROCESSES * SECONDS * 5)

    def wake_ups(self, process: int) -> int:
        """How often threads of the process go on after waiting, in some seconds."""
        before = self.switches(process)
        time.sleep(SECONDS)
        after = self.switches(process)
        return sum(after[thread] - before.get(thread, 0) for thread in after)

    def switches(self, process: int) -> dict[str, int]:
        found = {}
        for status in Path(f"/proc/{process}/task").glob("*/status"):
            text = status.read_text()
            found[status.parent.name] = int(
                re.search(r"^voluntary_ctxt_switches:\s*(\d+)", text, re.MULTILINE)[1]
            )
        return found


if __name__ == "__main__":
    unittest.main()
