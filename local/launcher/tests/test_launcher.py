"""How the launcher starts and stops."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import unittest
from typing import Any
from unittest import mock

import launch
from tests import stack


class StartTest(unittest.TestCase):
    def test_port_in_use_is_said_in_one_line(self) -> None:
        running = stack.launcher()

        ended = subprocess.run(
            [sys.executable, stack.LAUNCHER, "--log-dir", "unused", "--artifact-bucket", "unused"],
            env=stack.launcher_environment(running.port, running.directory.name),
            stdin=subprocess.PIPE,
            capture_output=True,
            text=True,
            timeout=20,
        )

        self.assertNotEqual(ended.returncode, 0)
        self.assertRegex(
            ended.stderr, rf"\Acannot listen on 127\.0\.0\.1:{running.port} [^\n]*\n\Z"
        )

    def test_another_version_of_the_emulator_is_refused(self) -> None:
        another = mock.patch("importlib.metadata.version", return_value="1.5.34")
        refusal = r"needs ministack 1\.5\.33, but 1\.5\.34"

        with another, self.assertRaisesRegex(SystemExit, refusal):
            launch.require_pinned_emulator()

    def test_artifact_bucket_exists(self) -> None:
        stack.client("s3").head_bucket(Bucket=stack.BUCKET)


class ArtifactsTest(unittest.TestCase):
    def test_what_was_uploaded_is_there_for_the_next_launcher(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        large = os.urandom(9 * 2**20)
        uploads = {"a/small": b"small", "large": large, "of-one-run.template": b"{}"}
        first = stack.Launcher("--artifacts", folder.name)
        self.addCleanup(first.stop)
        bucket = stack.root_client("s3", first.endpoint)
        for key, content in uploads.items():
            self.upload(bucket, key, content)
        first.stop()

        second = stack.Launcher("--artifacts", folder.name)
        self.addCleanup(second.stop)
        bucket = stack.root_client("s3", second.endpoint)
        listed = bucket.list_objects_v2(Bucket=stack.BUCKET)["Contents"]

        self.assertEqual([found["Key"] for found in listed], ["a/small", "large"])
        kept = bucket.get_object(Bucket=stack.BUCKET, Key="large")["Body"].read()
        self.assertEqual(kept, large)

    def upload(self, bucket: Any, key: str, content: bytes) -> None:
        """As the SAM CLI does: what is large in parts."""
        place = {"Bucket": stack.BUCKET, "Key": key}
        if len(content) < 8 * 2**20:
            bucket.put_object(**place, Body=content)
            return
        upload = {**place, "UploadId": bucket.create_multipart_upload(**place)["UploadId"]}
        parts = [
            {
                "PartNumber": number,
                "ETag": bucket.upload_part(**upload, PartNumber=number, Body=part)["ETag"],
            }
            for number, part in enumerate((content[: 8 * 2**20], content[8 * 2**20 :]), start=1)
        ]
        bucket.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})


class StopTest(unittest.TestCase):
    def test_nothing_survives_the_end_of_stdin_or_a_signal(self) -> None:
        for stop in (
            lambda process: process.stdin.close(),
            lambda process: process.send_signal(signal.SIGTERM),
            lambda process: process.send_signal(signal.SIGINT),
        ):
            launcher = stack.Launcher()
            self.addCleanup(launcher.stop)
            processes = self.start_functions(launcher)

            stop(launcher.process)

            self.assertEqual(launcher.process.wait(timeout=5), 0)
            for process in processes:
                stack.poll(lambda: not is_running(process), "the end of a function", seconds=5)

    def start_functions(self, launcher: stack.Launcher) -> list[int]:
        """The process ids of one function at rest and one at work."""
        functions = stack.root_client("lambda", launcher.endpoint)
        role = stack.root_client("iam", launcher.endpoint).create_role(
            RoleName="function", AssumeRolePolicyDocument="{}"
        )["Role"]
        processes = []
        for name, steps in {"at-rest": [["pid"]], "at-work": [["pid"], ["sleep", 60]]}.items():
            functions.create_function(
                FunctionName=name,
                Runtime="provided.al2023",
                Role=role["Arn"],
                Handler="bootstrap",
                Code={"ZipFile": stack.deployment_package()},
                Timeout=60,
            )
            functions.invoke(
                FunctionName=name, InvocationType="Event", Payload=json.dumps({"do": steps})
            )
            log = launcher.log_dir / f"{name}.log"
            written = stack.poll(lambda: log.exists() and log.read_text(), "the process id")
            processes.append(int(written))
        return processes


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    unittest.main()
