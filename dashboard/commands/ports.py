"""Ports as they are typed."""

import click

PORT = click.IntRange(1, 65535)
