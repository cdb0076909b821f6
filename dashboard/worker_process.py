"""The worker as a process, with what is done beside it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dashboard import bank_window, collector, db, mail, worker
from dashboard.config import Config
from dashboard.desk import Books, Desk
from dashboard.notices import LetterWriter
from dashboard.processes import stop_on_signals
from dashboard.wiring import bank_client, create_desk

BESIDE_ENDS_WITHIN_S = 2.0


def run_worker(config: Config, letter_writer: Callable[[Desk], LetterWriter]) -> None:
    """Work until SIGTERM or SIGINT; what is under way is finished first, what is beside it only if it is quick.

    `letter_writer` is called where there is a mail server. Raises bank_window.UnusableFolder.
    """
    stop = stop_on_signals()
    bank = bank_client(config)
    engine = db.open_engine(config.database_url)
    try:
        desk = create_desk(config, engine, bank)
        with bank_window.open_to_pages(bank, config), _done_beside(desk, stop):
            worker.run(desk, stop, letter_writer(desk) if config.has_mail else None)
    finally:
        engine.dispose()


@contextmanager
def _done_beside(books: Books, stop: threading.Event) -> Iterator[None]:
    """What delays no refund, each in a thread of its own. What it leaves half done is taken up by another worker."""
    duties = {mail.run: books.config.has_mail, collector.run: books.config.has_collector}
    threads = [
        threading.Thread(target=duty, args=(books, stop), name=duty.__module__, daemon=True)
        for duty, is_wanted in duties.items()
        if is_wanted
    ]
    for thread in threads:
        thread.start()
    yield
    ends_at_s = time.monotonic() + BESIDE_ENDS_WITHIN_S
    for thread in threads:
        thread.join(max(0.0, ends_at_s - time.monotonic()))
