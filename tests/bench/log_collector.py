"""A real log system on loopback that keeps the batches which it takes, and refuses what a test tells it to."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.bench.tls import server_context


@dataclass
class LogCollector:
    """`batches` were taken; `requests` came at all, each with its headers. `answers`: the status of every answer."""

    url: str = ""
    answers: int = 204
    leads_to: str = ""
    batches: list[bytes] = field(default_factory=list)
    requests: list[dict[str, str]] = field(default_factory=list)

    @property
    def lines(self) -> list[bytes]:
        """Everything that it has, one batch after the other, as its file would have it."""
        return [line for batch in self.batches for line in batch.splitlines(keepends=True)]

    @property
    def numbers(self) -> list[int]:
        return [json.loads(line)["seq"] for line in self.lines]

    def take(self, headers: dict[str, str], body: bytes) -> int:
        self.requests.append(headers)
        if 200 <= self.answers < 300 and body:
            self.batches.append(body)
        return self.answers


@contextmanager
def running_log_collector(
    port: int, *, certificate: Path | None = None, lets_in: Path | None = None
) -> Iterator[LogCollector]:
    """It listens on this port of 127.0.0.1; with a `certificate` by TLS, and then `lets_in` whoever has that one."""
    collector = LogCollector(f"http{'s' if certificate else ''}://127.0.0.1:{port}/journal")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(collector.take(dict(self.headers), body))
            if collector.leads_to:
                self.send_header("Location", collector.leads_to)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    if certificate:
        server.socket = _context(certificate, lets_in).wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _context(certificate: Path, lets_in: Path | None) -> ssl.SSLContext:
    context = server_context(certificate)
    if lets_in:
        context.load_verify_locations(lets_in)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
