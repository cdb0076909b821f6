"""A person's browser: Flask's test client with an eye for pages, forms and CSRF tokens."""

import re
from dataclasses import dataclass
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from itsdangerous import URLSafeTimedSerializer
from werkzeug.test import TestResponse

from tests.web.page import Element, read_page


@dataclass
class Answer:
    """An answer of the app: `status`, `headers`, `text`; `page` is its tree."""

    response: TestResponse

    @property
    def status(self) -> int:
        return self.response.status_code

    @property
    def text(self) -> str:
        return self.response.text

    @property
    def location(self) -> str | None:
        return self.response.headers.get("Location")

    @property
    def page(self) -> Element:
        return read_page(self.text)

    @property
    def references(self) -> list[str]:
        """Of the rows of refunds in it, from the top; quicker than by way of the tree."""
        return re.findall(r'<tr data-refund="([^"]+)"', self.text)


class Browser:
    """Keeps cookies; follows no redirect by itself. `environ`: what is put over the environment of its requests."""

    def __init__(self, app: Flask) -> None:
        self.client: FlaskClient = app.test_client()
        self.environ: dict[str, str] = {}
        self._csrf_token = ""

    def get(self, path: str, **options: Any) -> Answer:
        return self.ask("GET", path, **options)

    def ask(self, method: str, path: str, **options: Any) -> Answer:
        environ = {**self.environ, **options.pop("environ_overrides", {})}
        return Answer(self.client.open(path, method=method, environ_overrides=environ, **options))

    def page(self, path: str, status: int = 200) -> Element:
        """The tree of a page that has to answer with this status."""
        answer = self.get(path)
        assert answer.status == status, f"{path}: {answer.status} {answer.location or ''}"
        return answer.page

    def post(self, path: str, fields: dict[str, str] | None = None, *, csrf: bool = True, **options: Any) -> Answer:
        """Send a form, with this browser's CSRF token unless told otherwise."""
        sent = dict(fields or {})
        if csrf and "csrf_token" not in sent:
            sent["csrf_token"] = self.csrf_token()
        return self.ask("POST", path, data=sent, **options)

    def csrf_token(self) -> str:
        """The token that stands in every form of this browser's pages."""
        if not self._csrf_token:
            page = Answer(self.client.get("/login", follow_redirects=True)).page
            self._csrf_token = page.all("input", name="csrf_token")[0]["value"]
        return self._csrf_token

    def forget_csrf_token(self) -> None:
        """The next form is read anew: this browser has another session."""
        self._csrf_token = ""

    def be(self, token: str) -> None:
        """Be signed in with this token, as if the form had been sent."""
        with self.client.session_transaction() as cookie:
            cookie.update({"_user_id": token, "_fresh": True, "csrf_token": f"csrf of {token}"})
        serializer = URLSafeTimedSerializer(str(self.client.application.secret_key), salt="wtf-csrf-token")
        self._csrf_token = str(serializer.dumps(f"csrf of {token}"))

    def sign_in(self, email: str, password: str, next_target: str = "") -> Answer:
        answer = self.post("/login", {"email": email, "password": password, "next": next_target})
        if answer.status == 303:
            self._csrf_token = ""
        return answer

    def sign_out(self) -> Answer:
        return self.post("/logout")
