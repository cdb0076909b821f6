"""The sandbox is a peer: of the dashboard's code it knows the clock, the amounts and the signature."""

import ast
from pathlib import Path

import dashboard.sandbox

ALLOWED = ("dashboard.clock", "dashboard.money", "dashboard.bank131.signature", "dashboard.sandbox")
FOLDER = Path(dashboard.sandbox.__file__).parent


def imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)


def test_it_imports_nothing_else_of_ours():
    paths = sorted(FOLDER.glob("*.py"))
    ours = {(path.name, name) for path in paths for name in imported(path) if name.startswith("dashboard")}

    assert len(paths) > 10
    assert [pair for pair in sorted(ours) if not pair[1].startswith(ALLOWED)] == []


def test_the_bank_itself_needs_no_thread_no_wall_clock_and_no_network():
    forbidden = {"threading", "time", "os", "secrets", "socket", "requests", "flask"}
    for name in ("bank.py", "faults.py", "outbox.py", "ledger.py", "limits.py", "wire.py", "control.py", "scenes.py"):
        assert not forbidden & set(imported(FOLDER / name)), name
