"""How long a client may take to send its request. A thread waits for each, so slow ones must not keep all of them.

After its time a connection is closed for reading alone: who had sent everything notices nothing, however long the
answer takes, be it a page that waits for the bank or a live stream; who had not has sent nothing.
"""

import contextlib
import socket
import threading
import time
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

PATIENCE_S = 10.0
# While hardly a thread is free.
LITTLE_PATIENCE_S = 1.0
LOOK_EVERY_S = 0.2


def is_crowded(taken: int, threads: int) -> bool:
    """Whether so few threads are free that the next clients would have to wait."""
    return threads - taken <= max(1, threads // 8)


class ImpatientWorker(ThreadWorker):  # type: ignore[misc]
    """Gunicorn's threads, none of which waits for a request longer than this module says."""

    def init_process(self) -> None:
        self._handled: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        threading.Thread(target=self._watch, name="slow-clients", daemon=True).start()
        super().init_process()

    def handle(self, conn: Any) -> Any:
        """One request, from its first byte to the end of its answer, in a thread of its own."""
        with self._lock:
            self._handled[conn.sock] = time.monotonic()
        try:
            return super().handle(conn)
        finally:
            with self._lock:
                self._handled.pop(conn.sock, None)

    def _watch(self) -> None:
        while True:
            time.sleep(LOOK_EVERY_S)
            with self._lock:
                self._stop_reading_from_late_ones()

    def _stop_reading_from_late_ones(self) -> None:
        """Under the lock: a socket that is still handled is not another connection's yet."""
        crowded = is_crowded(len(self._handled), self.cfg.threads)
        begun_before = time.monotonic() - (LITTLE_PATIENCE_S if crowded else PATIENCE_S)
        for sock, begun_at in self._handled.items():
            if begun_at < begun_before:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RD)
