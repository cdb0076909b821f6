"""`dashboard db reseal`."""

import click

from dashboard import resealing
from dashboard.commands.failing import fail
from dashboard.commands.opening import ACTOR, opened_books

SEALED = {"authenticator_apps": "secrets of apps", "mails": "mails that wait", "kept_forms": "kept forms"}


@click.command("reseal")
def db_reseal() -> None:
    """Seal again with the present secret key all that is kept encrypted, after that key was changed."""
    with opened_books(changes=True) as books:
        done = resealing.reseal(books, ACTOR)
        with books.read() as session:
            left = resealing.left(session, books.config.secret_keys)
    click.echo(f"Sealed anew: {', '.join(f'{each.count} {SEALED[each.what]}' for each in done)}.")
    for lost in filter(lambda each: each.lost, done):
        click.echo(f"Cannot be opened with any key that is set, and left as they are: {lost.lost} {SEALED[lost.what]}.")
    if left:
        fail(f"{left} were sealed otherwise meanwhile: have every process started anew, and run this again.")
    if books.config.secret_key_before:
        click.echo(
            "Nothing that is kept needs DASHBOARD_SECRET_KEY_BEFORE any more. Sign-ins and open forms of before do:"
        )
        click.echo("empty it twelve hours after the last process was started with the new key, at once if it leaked.")
