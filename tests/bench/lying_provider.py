"""The process of an OpenID provider: `python -m tests.bench.lying_provider PORT`.

It is oidc-provider-mock, with what that leaves out: PKCE is asked for, and the ID token says when somebody signed in.
`PUT /users/SUB` makes a person, with their claims. `PUT /lies` has it tell lies from then on, as a provider that was
taken over, or somebody between it and the desk, would. By name:

`claims`: others in the ID token, None for one that is left out. `header`: others in its header. `key`: `foreign` for
one of somebody else's, `none` for no signature, `public` for one made with the public key as if it were a secret.
`metadata`, `userinfo`: others there. `iss`: what it calls itself in the address to which somebody is sent back.
`moved`: everything is answered with a redirect there; below `/moved` here it would be found.
"""

import base64
import hmac
import json
import re
import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.jose import JsonWebKey, jwt
from authlib.oauth2.rfc7636 import CodeChallenge
from flask import Flask, Response, redirect, request
from oidc_provider_mock import _app, _storage, app
from werkzeug.serving import run_simple

CHALLENGES: dict[str, tuple[str | None, str | None]] = {}
LIES: dict[str, Any] = {}
ASKED: list[dict[str, str]] = []
FOREIGN = JsonWebKey.generate_key("RSA", 2048, is_private=True)
_STORE = _storage.Storage.store_authorization_code
_REGISTER = AuthorizationServer.register_grant


class Challenge(CodeChallenge):
    def get_authorization_code_challenge(self, authorization_code: Any) -> str | None:
        return CHALLENGES[authorization_code.code][0]

    def get_authorization_code_challenge_method(self, authorization_code: Any) -> str | None:
        return CHALLENGES[authorization_code.code][1]


def store_with_challenge(self: Any, code: Any) -> None:
    CHALLENGES[code.code] = (request.args.get("code_challenge"), request.args.get("code_challenge_method"))
    _STORE(self, code)


def register_with_challenge(self: Any, grant: Any, extensions: Any = None) -> None:
    more = [Challenge(required=True)] if grant is _app.AuthorizationCodeGrant else []
    _REGISTER(self, grant, [*(extensions or []), *more])


def serve(port: int) -> None:
    _storage.Storage.store_authorization_code = store_with_challenge  # type: ignore[method-assign]
    _storage.AuthorizationCode.get_auth_time = lambda self: int(time.time())  # type: ignore[method-assign, assignment]
    AuthorizationServer.register_grant = register_with_challenge
    provider = app()
    provider.debug = False
    add_lies(provider)
    run_simple("localhost", port, provider, threaded=True)


def add_lies(provider: Flask) -> None:
    provider.add_url_rule("/lies", view_func=put_lies, methods=["PUT"])
    provider.add_url_rule("/favicon.ico", "no_icon", lambda: ("", 204))
    provider.add_url_rule("/asked", "asked", lambda: ASKED)
    provider.add_url_rule("/moved/.well-known/openid-configuration", "oidc-provider-mock.openid_config")
    provider.before_request(note_and_move)
    provider.after_request(lie)


def put_lies() -> tuple[str, int]:
    LIES.clear()
    LIES.update(request.json or {})
    return "", 204


def note_and_move() -> Any:
    if request.path == "/oauth2/token":
        ASKED.append({**request.form.to_dict(), "authorization": request.headers.get("Authorization", "")})
    is_tests_own = request.path in {"/lies", "/asked"} or request.path.startswith(("/users/", "/moved/"))
    return redirect(LIES["moved"] + request.path, 307) if "moved" in LIES and not is_tests_own else None


def lie(answer: Response) -> Response:
    changes: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
        "/.well-known/openid-configuration": lambda found: over(found, LIES.get("metadata", {})),
        "/userinfo": lambda found: over(found, LIES.get("userinfo", {})),
        "/oauth2/token": lambda found: {**found, "id_token": lied(found["id_token"])},
    }
    if request.path in changes and answer.status_code == 200:
        answer.data = json.dumps(changes[request.path](answer.json or {}))
    if answer.mimetype == "text/html":
        # Its looks come from another host, which browsers of the tests must not ask.
        answer.data = re.sub(r"<link[^>]*>", "", answer.get_data(as_text=True))
    if "iss" in LIES and answer.status_code == 302:
        answer.headers["Location"] += "&" + urlencode({"iss": LIES["iss"]})
    return answer


def lied(id_token: str) -> str:
    """The ID token as the lies want it."""
    claims, header = over(part(id_token, 1), LIES.get("claims", {})), {**part(id_token, 0), **LIES.get("header", {})}
    key = LIES.get("key")
    if key == "none":
        return f"{encoded({**header, 'alg': 'none'})}.{encoded(claims)}."
    if key == "public":
        body = f"{encoded({**header, 'alg': 'HS256'})}.{encoded(claims)}"
        return f"{body}.{as_text(hmac.digest(_storage.storage.jwk.as_pem(is_private=False), body.encode(), 'sha256'))}"
    signed: bytes = jwt.encode(header, claims, FOREIGN if key == "foreign" else _storage.storage.jwk)
    return signed.decode()


def over(found: dict[str, Any], others: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**found, **others}.items() if value is not None}


def part(token: str, number: int) -> dict[str, Any]:
    text = token.split(".")[number]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return found


def encoded(value: dict[str, Any]) -> str:
    return as_text(json.dumps(value).encode())


def as_text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
