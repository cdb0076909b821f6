"""What the code must not even contain: calls that run, unpack or trust what came from outside; weak hashes; chance."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import dashboard

ROOT = Path(dashboard.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
TEMPLATES = sorted((ROOT / "templates").resolve().rglob("*.html"))
SCRIPTS = sorted((ROOT / "static").resolve().rglob("*.js"))

CALLS = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "system",
    "popen",
    "md5",
    "sha1",
    "mktemp",
    "Markup",
}
# The lists of leaked passwords that there are have SHA-1: it finds a line, and keeps or proves nothing.
MAY_CALL = {"leaked_passwords.py": {"sha1"}}
MODULES_NEVER_USED = {
    "pickle", "marshal", "shelve", "yaml", "xml", "lxml", "telnetlib", "ftplib", "smtplib", "ldap", "dill",
}  # fmt: skip
# The one place from which mail goes out.
MAY_USE = {"smtp.py": {"smtplib"}}
# The simulated bank, of which nobody is paid.
MAY_USE_CHANCE = {"sandbox/bank.py", "sandbox/server.py"}
# Numbers and names of our own that statements are put together from.
FREE_OF_TEXT = {"0 if write else 1", "pragma"}
IN_SCRIPTS = (
    r"\beval\(", r"new Function", r"document\.write", r"\.innerHTML\s*=", r"localStorage", r"indexedDB",
    r"sessionStorage\.\w+\((?!\"reloaded-at\"|KEY\b)", r"postMessage", r"WebSocket", r"document\.cookie",
    r"setTimeout\(\s*[\"'`]", r"__proto__", r"https?://", r"[\"']paste[\"']",
)  # fmt: skip


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text(encoding="utf-8")))


def called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_nothing_is_run_unpacked_or_trusted_that_came_from_outside(path: Path) -> None:
    for node in nodes(path):
        if isinstance(node, ast.Call):
            is_pattern = isinstance(node.func, ast.Attribute) and ast.unparse(node.func) == "re.compile"
            assert is_pattern or called(node) not in CALLS - MAY_CALL.get(name_of(path), set()), f"line {node.lineno}"
            keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            assert keywords.get("shell", "False") == "False", f"line {node.lineno}"
            assert keywords.get("verify", "True") != "False", f"line {node.lineno}"
            assert called(node) != "sha1" or keywords.get("usedforsecurity") == "False", f"line {node.lineno}"
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            modules = {name.partition(".")[0] for name in names} - MAY_USE.get(name_of(path), set())
            assert not MODULES_NEVER_USED & modules, f"line {node.lineno}"
            assert "random" not in names or name_of(path) in MAY_USE_CHANCE, f"line {node.lineno}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_statement_for_the_database_is_put_together_from_text(path: Path) -> None:
    """But for whole numbers and our own constants, and for migrations, which take nothing from outside."""
    if "migrations/versions" in name_of(path):
        return
    for node in nodes(path):
        if (
            isinstance(node, ast.Call)
            and called(node) in {"text", "exec_driver_sql", "execute", "literal_column"}
            and node.args
        ):
            for part in ast.walk(node.args[0]) if isinstance(node.args[0], ast.JoinedStr | ast.BinOp) else ():
                if isinstance(part, ast.FormattedValue):
                    value = ast.unparse(part.value)
                    assert value.startswith("int(") or value.isupper() or value in FREE_OF_TEXT, f"line {node.lineno}"


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_escape_everything(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"\|\s*safe\b|autoescape|javascript:", text)
    assert not re.search(r"""(?:href|src|action|title|value)=\{\{""", text), "attributes stand in quotation marks"


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_run_no_text_keep_nothing_and_ask_nobody_else(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert [pattern for pattern in IN_SCRIPTS if re.search(pattern, text)] == []


def test_what_was_typed_is_kept_by_one_script_without_passwords_and_tokens() -> None:
    [keeper] = [path for path in SCRIPTS if "sessionStorage.setItem(KEY" in path.read_text(encoding="utf-8")]
    text = keeper.read_text(encoding="utf-8")
    assert keeper.name == "kept.js"
    assert 'const NEVER = new Set(["csrf_token", "form_token"]);' in text
    assert 'NEVER.has(name) || form.elements[name]?.type === "password"' in text
    forms = [form for path in TEMPLATES for form in re.findall(r"<form[^>]*data-keep[^>]*>", path.read_text("utf-8"))]
    assert forms
    assert not [form for form in forms if re.search("proof|password|factors|link", form)]


def test_it_looked_at_something() -> None:
    assert (len(MODULES) > 80, len(TEMPLATES) > 25, len(SCRIPTS) > 8) == (True, True, True)
