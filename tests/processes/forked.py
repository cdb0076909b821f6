"""Processes that are forked from one which has imported everything and has no threads."""

import multiprocessing
from multiprocessing.context import ForkServerContext


def forkserver() -> ForkServerContext:
    """The context that makes them. What they import besides, they import by themselves."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["dashboard.cli"])
    return context
