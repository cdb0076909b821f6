"""Two roles on PostgreSQL: one owns the tables, the other works with them and can only add to the journal."""

import re
from collections.abc import Iterator

from dashboard.models import Base

OWNER = "refund_desk_owner"
APP = "refund_desk_app"

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_WITHOUT = "NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
_VERSION = "alembic_version"

# What is done to a table, where that is not everything. Nothing is ever taken out of these.
_RIGHTS = {
    "journal": "SELECT, INSERT",
    "journal_head": "SELECT, UPDATE",
    "installation": "SELECT, UPDATE",
    _VERSION: "SELECT",
    "collector": "SELECT, UPDATE",
    "approvals": "SELECT, INSERT, UPDATE",
    "attempts": "SELECT, INSERT, UPDATE",
    "factor_resets": "SELECT, INSERT, UPDATE",
    "links": "SELECT, INSERT, UPDATE",
    "payment_sessions": "SELECT, INSERT, UPDATE",
    "people": "SELECT, INSERT, UPDATE",
    "resolutions": "SELECT, INSERT, UPDATE",
    "webhook_deliveries": "SELECT, INSERT, UPDATE",
}
_ALL = "SELECT, INSERT, UPDATE, DELETE"


def check_name(name: str) -> None:
    """Raises ValueError for what is no plain name of a role."""
    if not _NAME.fullmatch(name) or name.startswith("pg_"):
        raise ValueError(f"{name!r} is no name for a role: lower-case letters, digits and underscores")


def statements(owner: str = OWNER, app: str = APP) -> Iterator[str]:
    """SQL for a superuser in the desk's own, migrated database; it may be run again. Raises ValueError."""
    for name in (owner, app):
        check_name(name)
    if owner == app:
        raise ValueError("the two roles must not be the same")
    yield from (_made(name) for name in (owner, app))
    yield f"ALTER ROLE {app} {_WITHOUT}"
    yield f"REVOKE {owner} FROM {app}"
    yield from _of_the_database(owner, app)
    tables = [*sorted(Base.metadata.tables), _VERSION]
    for table in tables:
        yield f"ALTER TABLE public.{table} OWNER TO {owner}"
    yield _guards_owned(owner)
    yield f"ALTER STATISTICS public.journal_action_actor OWNER TO {owner}"
    yield from _rights(owner, app, tables)


def _guards_owned(owner: str) -> str:
    """Whoever owns a trigger's function could put another one in its place."""
    ours = "pronamespace = 'public'::regnamespace AND prorettype = 'trigger'::regtype"
    return (
        f"DO $$ DECLARE guard regprocedure; BEGIN FOR guard IN SELECT oid FROM pg_proc WHERE {ours} LOOP "  # noqa: S608
        f"EXECUTE format('ALTER FUNCTION %s OWNER TO {owner}', guard); END LOOP; END $$"
    )


def _made(name: str) -> str:
    there = f"EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}')"
    return f"DO $$ BEGIN IF NOT {there} THEN CREATE ROLE {name} LOGIN {_WITHOUT}; END IF; END $$"


def _of_the_database(owner: str, app: str) -> Iterator[str]:
    for what in (
        "REVOKE CREATE, TEMPORARY ON DATABASE %I FROM PUBLIC",
        f"GRANT CONNECT ON DATABASE %I TO {owner}, {app}",
    ):
        yield f"DO $$ BEGIN EXECUTE format('{what}', current_database()); END $$"
    yield "REVOKE CREATE ON SCHEMA public FROM PUBLIC"
    yield f"REVOKE ALL ON SCHEMA public FROM {app}"
    yield f"GRANT USAGE, CREATE ON SCHEMA public TO {owner}"
    yield f"GRANT USAGE ON SCHEMA public TO {app}"


def _rights(owner: str, app: str, tables: list[str]) -> Iterator[str]:
    yield f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, {app}"
    yield f"REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM PUBLIC, {app}"
    yield f"REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC, {app}"
    for table in tables:
        yield f"GRANT {_RIGHTS.get(table, _ALL)} ON public.{table} TO {app}"
    yield f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {app}"
    # What a later upgrade adds works at once; running this again narrows it down.
    whose = f"ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public"
    yield f"{whose} GRANT {_ALL} ON TABLES TO {app}"
    yield f"{whose} GRANT USAGE ON SEQUENCES TO {app}"


def script(owner: str = OWNER, app: str = APP) -> str:
    """All of it for `psql`: one transaction, ended by the first thing that fails. Raises ValueError."""
    lines = ["\\set ON_ERROR_STOP on", "BEGIN", *statements(owner, app), "COMMIT"]
    return "".join(f"{line}\n" if line.startswith("\\") else f"{line};\n" for line in lines)
