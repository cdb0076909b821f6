"""One direction of imports, top to bottom, and no place for odds and ends."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import dashboard

ROOT = Path(dashboard.__file__).parent

# A module imports only what stands above it. A package stands here as one; inside it, its own order holds.
ORDER = (
    "clock",
    "money",
    "bank131",
    "sandbox",
    "roles",
    "languages",
    "config",
    "setting_files",
    "refund_rules",
    "limit_rules",
    "notice_rules",
    "db",
    "models",
    "database_roles",
    "journal",
    "journal_file",
    "shape",
    "migrations",
    "desk",
    "signing",
    "form_token",
    "keyset",
    "counting",
    "spreadsheets",
    "xlsx",
    "search",
    "search_values",
    "search_days",
    "search_language",
    "own_bank",
    "pauses",
    "refund_counts",
    "ledger",
    "anomalies",
    "replay",
    "restore",
    "snapshots",
    "reads",
    "rights",
    "two_people",
    "limits",
    "refunds",
    "approvals",
    "sending",
    "resolutions",
    "webhook_inbox",
    "leaked_passwords",
    "passwords",
    "sealing",
    "guessing",
    "known_browsers",
    "sign_ins",
    "smtp",
    "mail",
    "collector",
    "people",
    "links",
    "own_account",
    "preferences",
    "drafts",
    "totp",
    "recovery_codes",
    "passkeys",
    "factors",
    "proving",
    "factor_resets",
    "signing_in",
    "openid",
    "single_sign_on",
    "resealing",
    "retention",
    "history_filters",
    "history",
    "history_counts",
    "figures",
    "saved_views",
    "open_forms",
    "look_alikes",
    "refund_exports",
    "audit",
    "evidence",
    "review_queue",
    "session_index",
    "notices",
    "worker",
    "health",
    "live_viewers",
    "metrics",
    "bank_window",
    "wiring",
    "web",
    "app",
    "slow_clients",
    "server",
    "processes",
    "worker_process",
    "demo",
    "obstacles",
    "doctor",
    "commands",
    "cli",
)
OURS_ALONE = ORDER[ORDER.index("roles") : ORDER.index("leaked_passwords")]
ADDRESS = re.compile(r"dashboard(\.\w+)+:\w+")
SANDBOX_MAY_USE = {"clock", "money", "bank131.signature"}
BANK131_MAY_USE = {"money"}


def modules() -> Iterator[tuple[str, Path]]:
    """Every module of ours, by its name below `dashboard`."""
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name:
            yield name, path


def imports(path: Path) -> Iterator[str]:
    """What a module imports of ours, at once or later by an address, by its name below `dashboard`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            names = [_imported(node.module or "", alias.name) for alias in node.names]
        elif isinstance(node, ast.Constant) and ADDRESS.fullmatch(str(node.value)):
            names = [str(node.value).partition(":")[0]]
        else:
            continue
        yield from (name.removeprefix("dashboard.") for name in names if name.partition(".")[0] == "dashboard")


def _imported(module: str, name: str) -> str:
    """`from module import name`: the module of that name, or the one that has something of that name."""
    whole = f"{module}.{name}"
    return whole if module == "dashboard" or whole.removeprefix("dashboard.") in ALL else module


ALL = dict(modules())


def top(name: str) -> str:
    return name.partition(".")[0]


def test_every_module_has_its_place_in_the_order() -> None:
    assert {top(name) for name in ALL} == set(ORDER)


@pytest.mark.parametrize("name", ALL)
def test_a_module_imports_only_what_stands_above_it(name: str) -> None:
    above = ORDER[: ORDER.index(top(name))]
    wrong = {used for used in imports(ALL[name]) if top(used) != top(name) and top(used) not in above}
    assert wrong - {"__version__"} == set()


def test_no_package_has_a_circle() -> None:
    for package in ("bank131", "models", "sandbox", "web", "commands"):
        inside = {name: set(imports(path)) & set(ALL) - {package} for name, path in ALL.items() if top(name) == package}
        inside.pop(package)
        while inside:
            free = {name for name, used in inside.items() if not (used - {name}) & set(inside)}
            assert free, f"these import each other: {sorted(inside)}"
            inside = {name: used for name, used in inside.items() if name not in free}


@pytest.mark.parametrize(("package", "may_use"), [("sandbox", SANDBOX_MAY_USE), ("bank131", BANK131_MAY_USE)])
def test_what_could_stand_alone_needs_little_of_ours(package: str, may_use: set[str]) -> None:
    used = {each for name, path in ALL.items() if top(name) == package for each in imports(path)}
    assert {each for each in used if top(each) != package} <= may_use


@pytest.mark.parametrize("name", ALL)
def test_no_function_imports(name: str) -> None:
    tree = ast.parse(ALL[name].read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            inner = [each for each in ast.walk(node) if isinstance(each, ast.Import | ast.ImportFrom)]
            assert inner == [], f"line {inner[0].lineno}"


def test_there_is_no_drawer_for_odds_and_ends() -> None:
    for name in ALL:
        assert not {"utils", "util", "helpers", "helper", "common", "misc"} & set(name.split("."))


@pytest.mark.parametrize("name", [name for name in ALL if top(name) in OURS_ALONE])
def test_time_and_chance_come_from_outside(name: str) -> None:
    """Whoever needs them is handed a clock and `new_id`: the whole desk runs under a simulated clock."""
    for node in ast.walk(ast.parse(ALL[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert not {"time", "random", "secrets", "uuid"} & {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module not in {"time", "random", "secrets", "uuid"}
        elif isinstance(node, ast.Attribute):
            assert node.attr not in {"utcnow", "today"}
            assert node.attr != "now" or ast.unparse(node.value) not in {"datetime", "func"}


def test_tables_have_no_defaults_of_the_server() -> None:
    for name, path in ALL.items():
        if top(name) in {"models", "migrations"}:
            assert "server_default" not in path.read_text(encoding="utf-8"), name
