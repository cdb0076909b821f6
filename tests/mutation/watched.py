"""One run of pytest in a copy of the tree: `python -m tests.mutation.watched RESULT [pytest's arguments]`.

RESULT becomes a JSON document: the exit code, which tests failed when and with what, and whose code it was.
"""

import json
import sys
from pathlib import Path
from typing import Any

import pytest


class Watcher:
    """Notes what fails, at which step of a test, and with which exception."""

    def __init__(self) -> None:
        self.failures: list[dict[str, str]] = []
        self.passed = 0
        self.code = -1

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[Any]) -> Any:
        report = yield
        if report.failed and call.excinfo is not None:
            error, said = type(call.excinfo.value).__name__, str(call.excinfo.value).partition("\n")[0][:200]
            self.failures.append({"test": item.nodeid, "when": call.when, "error": error, "said": said})
        elif report.when == "call":
            self.passed += report.passed
        return report

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        self.code = int(exitstatus)


def main(result: str, arguments: list[str]) -> None:
    watcher = Watcher()
    try:
        pytest.main(arguments, plugins=[watcher])
    finally:
        # What a broken test leaves open is complained of after its end, and may end pytest itself.
        code_of = getattr(sys.modules.get("dashboard"), "__file__", None)
        document = {"code": watcher.code, "failures": watcher.failures, "passed": watcher.passed, "code_of": code_of}
        Path(result).write_text(json.dumps(document), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
