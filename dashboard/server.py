"""The web server."""

import logging
import os
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication

from dashboard.app import create_app
from dashboard.config import Config
from dashboard.slow_clients import ImpatientWorker
from dashboard.web import request_ids

_IN_MEMORY = "/dev/shm"  # noqa: S108 (a heartbeat file of gunicorn's, which makes its own name)


class _Gunicorn(BaseApplication):  # type: ignore[misc]
    """Gunicorn without a command line: our settings, and the app made anew in each worker process."""

    def __init__(self, config: Config, bind: str) -> None:
        self._config = config
        self._bind = bind
        super().__init__()

    def load_config(self) -> None:
        settings: dict[str, Any] = {
            "bind": self._bind,
            "workers": self._config.web_processes,
            "worker_class": ImpatientWorker,
            "threads": self._config.web_threads,
            # More than there are threads would wait unseen behind open live pages.
            "worker_connections": self._config.web_threads,
            "graceful_timeout": 2,
            "timeout": 60,
            "keepalive": 0,
            "worker_tmp_dir": _IN_MEMORY if os.path.isdir(_IN_MEMORY) else None,
            "control_socket_disable": True,
            # How many proxies are believed is DASHBOARD_PROXY_HOPS's to say, also for those on this machine.
            "forwarded_allow_ips": "",
            "limit_request_line": 4094,
            "limit_request_fields": 100,
            "limit_request_field_size": 8190,
            "loglevel": "warning",
        }
        for name, value in settings.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Flask:
        return create_app(self._config)


def serve_web(config: Config, bind: str) -> None:
    """Serve the pages until told to stop."""
    for lines in logging.getLogger().handlers:
        lines.addFilter(request_ids.Named())
    _Gunicorn(config, bind).run()
