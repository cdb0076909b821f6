"""`dashboard user add` and whatever changes an account."""

import sys
from collections.abc import Callable
from functools import partial

import click

from dashboard import passwords, people, roles
from dashboard.commands.failing import fail
from dashboard.commands.opening import ACTOR, opened_books
from dashboard.desk import Books


@click.command("add")
@click.argument("email")
@click.option("--role", type=click.Choice(roles.ROLES), required=True)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of asking.")
def user_add(email: str, role: str, *, password_stdin: bool) -> None:
    """Make an account."""
    with opened_books(changes=True) as books:
        try:
            people.add(books, email, role, _password(from_stdin=password_stdin), actor=ACTOR)
        except (people.BadAccount, passwords.BadPassword) as problem:
            fail(f"No account was made: {problem}.")
    click.echo(f"{email} can sign in as {role}.")


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))


@click.command("disable")
@click.argument("email")
def user_disable(email: str) -> None:
    """Let somebody sign in no more, from this moment on."""
    change_account(partial(people.disable, email=email), f"{email} is signed out and cannot sign in any more.")


@click.command("enable")
@click.argument("email")
def user_enable(email: str) -> None:
    """Let somebody sign in again."""
    change_account(partial(people.enable, email=email), f"{email} can sign in again.")


@click.command("role")
@click.argument("email")
@click.argument("role", type=click.Choice(roles.ROLES))
def user_role(email: str, role: str) -> None:
    """Give somebody another role."""
    change = partial(people.change_role, email=email, role=role)
    change_account(change, f"{email} is {role} now, and has to sign in again.")


@click.command("password")
@click.argument("email")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of asking.")
def user_password(email: str, *, password_stdin: bool) -> None:
    """Give somebody another password."""

    def change(books: Books, *, actor: str) -> bool:
        people.set_password(books, email, _password(from_stdin=password_stdin), actor=actor)
        return True

    change_account(change, f"{email} has another password now, and has to sign in again.")


def change_account(change: Callable[..., bool], done: str) -> None:
    with opened_books(changes=True) as books:
        try:
            is_changed = change(books, actor=ACTOR)
        except (people.BadAccount, passwords.BadPassword) as problem:
            fail(f"Nothing was changed: {problem}.")
    click.echo(done if is_changed else "It was so already: nothing was changed.")
