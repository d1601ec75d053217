"""Contract tests: what AWS documents, checked on the launched emulator.

    <venv>/bin/python -m unittest discover -s local/launcher/tests -t local/launcher

Most of their time they wait, so the test classes run at the same time.
"""

import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


class ConcurrentSuite(unittest.TestSuite):
    def run(self, result: unittest.TestResult, debug: bool = False) -> unittest.TestResult:
        # Imported late, so that listing the tests starts nothing.
        from tests import stack

        stack.launcher()
        with ThreadPoolExecutor() as pool:
            for part in pool.map(lambda suite: suite.run(unittest.TestResult(), debug), self):
                result.testsRun += part.testsRun
                result.failures += part.failures
                result.errors += part.errors
                result.skipped += part.skipped
        return result


def load_tests(
    loader: unittest.TestLoader, _tests: unittest.TestSuite, pattern: str | None
) -> unittest.TestSuite:
    modules = loader.discover(str(Path(__file__).parent), pattern or "test*.py")
    return ConcurrentSuite(_classes(modules))


def _classes(suite: unittest.TestSuite) -> list[unittest.TestSuite]:
    """The suites that hold tests themselves: one a class."""
    parts = list(suite)
    if any(isinstance(part, unittest.TestCase) for part in parts):
        return [suite]
    return [found for part in parts for found in _classes(part)]
