"""`dashboard db upgrade`."""

import click

from dashboard import migrations, refund_counts, shape
from dashboard.commands.opening import opened_books
from dashboard.desk import journal_key


@click.command("upgrade")
def db_upgrade() -> None:
    """Bring the database to the newest shape. The only command that makes an SQLite file."""
    with opened_books(changes=True, may_be_new=True, migrated=False) as books:
        was_empty = shape.is_empty(books.engine)
        migrations.upgrade(books.engine, journal_key(books.config))
        with books.write() as tx:
            refund_counts.put_right(tx)
    if was_empty:
        click.echo("It is new and empty: no accounts, no refunds, no journal. If yours is another one,")
        click.echo("put DASHBOARD_DATABASE_URL right.")
    click.echo("The database has the newest shape.")
