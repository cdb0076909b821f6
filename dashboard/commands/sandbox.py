"""`dashboard sandbox`."""

from pathlib import Path

import click

from dashboard.commands.failing import fail
from dashboard.commands.ports import PORT
from dashboard.sandbox.server import SandboxStartError, run_sandbox


@click.command("sandbox")
@click.option("--port", type=PORT, default=8132, show_default=True, help="Port of the sandbox bank.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=Path(".sandbox"),
    show_default=True,
    help="Where it keeps its keys and its ledger.",
)
@click.option(
    "--webhook-url", default=None, help="Where to send webhooks, e.g. http://127.0.0.1:8131/webhooks/bank131."
)
def command(port: int, data: Path, webhook_url: str | None) -> None:
    """The sandbox bank alone. Its first start makes both key pairs."""
    try:
        run_sandbox(port=port, data_dir=data.resolve(), webhook_url=webhook_url, announce=click.echo)
    except SandboxStartError as problem:
        fail(str(problem))
