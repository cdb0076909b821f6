"""An OpenID provider in a process of its own, and the people who are known there."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests

CLIENT_ID = "refund-desk"
CLIENT_SECRET = "a secret of the tests between desk and provider"
READY_WITHIN_S = 60.0


class Provider:
    """The process, as tests see it."""

    def __init__(self, port: int) -> None:
        self.url = f"http://localhost:{port}"

    def person(self, subject: str, *, groups: Any = ("finance-ops",), **claims: Any) -> None:
        """Somebody who can sign in there; `email` and `email_verified` are theirs unless told otherwise."""
        theirs = {"email": f"{subject}@desk.test", "email_verified": True, "groups": groups, **claims}
        kept = {name: value for name, value in theirs.items() if value is not None}
        requests.put(f"{self.url}/users/{subject}", json=kept, timeout=5).raise_for_status()

    def lie(self, **lies: Any) -> None:
        """Tell these lies from now on, and no others: see `lying_provider`."""
        requests.put(f"{self.url}/lies", json=lies, timeout=5).raise_for_status()

    def asked(self) -> list[dict[str, str]]:
        """What was sent to the token endpoint, the latest last."""
        found: list[dict[str, str]] = requests.get(f"{self.url}/asked", timeout=5).json()
        return found

    def sign_in(self, url: str, subject: str) -> str:
        """What somebody does there, without a browser: answers with the address that they are sent back to."""
        answer = requests.post(url, data={"sub": subject}, allow_redirects=False, timeout=5)
        assert answer.status_code == 302, answer.text
        return answer.headers["Location"]

    def deny(self, url: str) -> str:
        answer = requests.post(url, data={"action": "deny"}, allow_redirects=False, timeout=5)
        return answer.headers["Location"]


@contextmanager
def running_provider(port: int) -> Iterator[Provider]:
    """The process while the block runs."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "AUTHLIB_INSECURE_TRANSPORT": "1"}
    process = subprocess.Popen([sys.executable, "-m", "tests.bench.lying_provider", str(port)], env=environ)
    provider = Provider(port)
    try:
        _wait_for(provider, process)
        yield provider
    finally:
        process.kill()
        process.wait()


def _wait_for(provider: Provider, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < end and process.poll() is None:
        try:
            requests.get(f"{provider.url}/jwks", timeout=1)
        except requests.ConnectionError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the provider does not answer")
