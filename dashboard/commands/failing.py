"""How a command ends that could not do what it was for."""

import sys
from typing import NoReturn

import click


def fail(*lines: str) -> NoReturn:
    for line in lines:
        click.echo(line, err=True)
    sys.exit(1)
