"""`dashboard user`: by what else than a password people come in, and who may."""

from functools import partial

import click

from dashboard import factor_resets, people, single_sign_on
from dashboard.commands.opening import opened_books
from dashboard.commands.user_changes import change_account
from dashboard.models import Person


@click.command("reset-factors")
@click.argument("email")
def user_reset_factors(email: str) -> None:
    """Take somebody's passkeys, app and recovery codes away, when they are lost and no two admins can do it."""
    done = f"{email} has no second factor any more, is signed out, and signs in with the password alone."
    change_account(partial(factor_resets.by_command, email=email), done)


@click.command("unbind")
@click.argument("email")
def user_unbind(email: str) -> None:
    """Let whoever has this address at the OpenID provider be bound to the account anew, at their next sign-in."""
    done = f"{email} is signed out, and bound to nobody at the provider until the next sign-in there."
    change_account(partial(single_sign_on.unbind, email=email), done)


@click.command("list")
def user_list() -> None:
    """All accounts, one a line: address, role, and whether it may sign in."""
    with opened_books() as books, books.read() as session:
        bound = single_sign_on.bound(session, books.config.oidc_issuer)
        for person in people.everybody(session):
            click.echo(f"{person.email}  {person.role}  {_state_of(person, is_bound=person.id in bound)}")


def _state_of(person: Person, *, is_bound: bool) -> str:
    if person.disabled_at is not None:
        return "disabled"
    return "enabled" if person.password_hash or is_bound else "invited"
