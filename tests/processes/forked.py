"""Processes that are forked from one which has imported everything and has no threads."""

import multiprocessing
from multiprocessing.context import ForkServerContext

COMMANDS = ("worker", "web", "db_restored")


def forkserver() -> ForkServerContext:
    """The context that makes them. What they import besides, they import by themselves."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["dashboard.cli", *(f"dashboard.commands.{name}" for name in COMMANDS)])
    return context
