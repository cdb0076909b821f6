"""Who may use which address by which method, read off the app: `python -m tests.access_table` writes it anew."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from flask import Flask
from flask_bootstrap import Bootstrap5

from dashboard import roles
from dashboard.app import add_pages
from dashboard.web import access

TABLE = Path(__file__).parent / "access.md"
SIGNED_OUT = "signed out"
VISITORS = (SIGNED_OUT, *roles.ROLES)
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
HEAD = f"""# Who may use what

Written by `python -m tests.access_table`; a test tries every cell. *yes*: it is done. *no*: 403. *sign in*: sent to the
sign-in first. Every other method of an address is refused with 405, signed out with the way to the sign-in.

| Method | Address | {" | ".join(VISITORS)} |
| --- | --- | {" | ".join("---" for _ in VISITORS)} |
"""


@dataclass(frozen=True)
class Line:
    """One method of one address, and what each visitor gets there: `yes`, `no` or `sign in`."""

    method: str
    address: str
    endpoint: str
    cells: dict[str, str]


def lines(app: Flask) -> Iterator[Line]:
    """By address, then method."""
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: (rule.rule, sorted(rule.methods or ()))):
        permission = access.open_to(app, rule.endpoint)
        for method in METHODS:
            if method in (rule.methods or ()):
                cells = {visitor: _cell(visitor, permission) for visitor in VISITORS}
                yield Line(method, rule.rule, rule.endpoint, cells)


def _cell(visitor: str, permission: str) -> str:
    if permission == "everybody":
        return "yes"
    if visitor == SIGNED_OUT:
        return "sign in"
    return "yes" if permission == "signed in" or roles.may(visitor, permission) else "no"


def as_text(app: Flask) -> str:
    rows = (f"| {line.method} | `{line.address}` | {' | '.join(line.cells.values())} |\n" for line in lines(app))
    return HEAD + "".join(rows)


def main() -> None:
    app = Flask("dashboard")
    Bootstrap5(app)
    add_pages(app)
    TABLE.write_text(as_text(app), encoding="utf-8")


if __name__ == "__main__":
    main()
