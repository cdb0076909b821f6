"""OpenID Connect: what is asked of the provider, and how its answers are checked. Knows nothing of accounts here.

The code flow with PKCE, by Authlib. Of what an answer says, nothing is believed that the provider has not signed for
this desk and for this very visit.
"""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from dashboard.bank131.objects import one_line
from dashboard.clock import Clock
from dashboard.config import BooksConfig, is_private

CALLBACK = "/login/sso/callback"
LONGEST_VISIT = timedelta(minutes=10)
# Clocks differ by that much.
LEEWAY_S = 60
TIMEOUT_S = 5.0
LONGEST_ANSWER_BYTES = 1024 * 1024
METADATA_HOLDS_S = 600.0
AWAY_FOR_S = 5.0
LONGEST_SUBJECT = 255
# Signed with a key that the provider alone has; never with one that both know, or with none.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")


class OutOfReach(Exception):
    """The provider gives no answer that can be used; str() says why in one line, for the log."""


class NotBelieved(Exception):
    """The browser brought back what proves nothing. `why`: `too_old`, `denied`, `no_proof`; str() is for the log."""

    def __init__(self, why: str, said: str) -> None:
        super().__init__(said)
        self.why = why


@dataclass(frozen=True)
class Visit:
    """One visit to the provider; the browser that went there keeps it. `begun_at`: ISO 8601."""

    state: str
    nonce: str
    verifier: str
    issuer: str
    begun_at: str


@dataclass(frozen=True)
class Identity:
    """Who somebody is at the provider. `email`: empty unless the provider has verified it.

    `proved_at`: when they last proved there who they are, if the provider says so.
    """

    issuer: str
    subject: str
    email: str
    groups: tuple[str, ...]
    proved_at: datetime | None


class Provider:
    """The provider that the settings name. What it tells of itself and its keys is kept for ten minutes."""

    def __init__(self, config: BooksConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._metadata: dict[str, Any] = {}
        self._keys: KeySet | None = None
        self._read_at_s = 0.0
        self._away_until_s = 0.0

    def begin(self, *, again: bool = False) -> tuple[str, Visit]:
        """Where to send the browser, and what it has to keep until it comes back. Raises OutOfReach.

        `again`: whoever is signed in at the provider has to prove once more who they are.
        """
        metadata = self._read_metadata()
        visit = Visit(
            state=secrets.token_urlsafe(32),
            nonce=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(48),
            issuer=self._config.oidc_issuer,
            begun_at=self._clock.now().isoformat(),
        )
        more = {"prompt": "login", "max_age": "0"} if again else {}
        with self._line(scope=_scope(metadata, self._config.oidc_role_claim)) as line:
            url, _state = line.create_authorization_url(
                metadata["authorization_endpoint"],
                state=visit.state,
                code_verifier=visit.verifier,
                nonce=visit.nonce,
                **more,
            )
        return str(url), visit

    def finish(self, visit: Visit | None, answer: Mapping[str, str]) -> Identity:
        """Who came back, by the query of the address that they came back to. Raises OutOfReach, NotBelieved."""
        asked = self._own_visit(visit, answer.get("state", ""))
        metadata = self._read_metadata()
        self._check_sender(metadata, answer)
        if "error" in answer or not answer.get("code"):
            raise NotBelieved("denied", f"the provider says {one_line(answer.get('error', 'nothing'))}")
        with self._line() as line:
            token = _usable(
                lambda: line.fetch_token(
                    metadata["token_endpoint"],
                    grant_type="authorization_code",
                    code=answer["code"],
                    code_verifier=asked.verifier,
                )
            )
            claims = self._checked(token, asked)
            missing = [name for name in ("email", self._config.oidc_role_claim) if _inside(claims, name) is None]
            if missing and "userinfo_endpoint" in metadata:
                claims = _completed(claims, _read_json(line, metadata["userinfo_endpoint"], withhold_token=False))
        return self._identity(claims)

    def _own_visit(self, visit: Visit | None, state: str) -> Visit:
        if visit is None or not secrets.compare_digest(visit.state.encode(), state.encode()):
            raise NotBelieved("too_old", "this browser has not asked for it")
        is_young = self._clock.now() - datetime.fromisoformat(visit.begun_at) < LONGEST_VISIT
        if not is_young or visit.issuer != self._config.oidc_issuer:
            raise NotBelieved("too_old", "it was asked for too long ago")
        return visit

    def _check_sender(self, metadata: Mapping[str, Any], answer: Mapping[str, str]) -> None:
        """Another provider must not have its codes taken for those of ours (RFC 9207)."""
        must_say = metadata.get("authorization_response_iss_parameter_supported") is True
        sender = answer.get("iss")
        if sender != self._config.oidc_issuer and (must_say or sender is not None):
            raise NotBelieved("no_proof", f"the answer is of another issuer: {one_line(sender or 'none')}")

    def _checked(self, token: Mapping[str, Any], visit: Visit) -> dict[str, Any]:
        """The claims of the ID token. Raises NotBelieved."""
        config, decoded = self._config, self._decoded(str(token.get("id_token", "")))
        wanted: Any = {
            "iss": {"essential": True, "value": config.oidc_issuer},
            "aud": {"essential": True, "value": config.oidc_client_id},
        }
        known = {
            "nonce": visit.nonce,
            "client_id": config.oidc_client_id,
            "access_token": token.get("access_token"),
        }
        claims = CodeIDToken(decoded.claims, decoded.header, wanted, known)
        try:
            claims.validate(now=int(self._clock.now().timestamp()), leeway=LEEWAY_S)
        except (JoseError, ValueError, TypeError) as problem:
            raise NotBelieved("no_proof", f"the ID token is not good: {one_line(str(problem))}") from problem
        subject = claims.get("sub")
        if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST_SUBJECT or not subject.isprintable():
            raise NotBelieved("no_proof", "the ID token names nobody")
        return dict(claims)

    def _decoded(self, id_token: str) -> jwt.Token:
        """The provider may have changed its keys since they were read: they are read anew before it is refused."""
        registry = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
        try:
            return jwt.decode(id_token, self._read_keys(), registry=registry)
        except (JoseError, ValueError):
            self._keys = None
        try:
            return jwt.decode(id_token, self._read_keys(), registry=registry)
        except (JoseError, ValueError) as problem:
            said = one_line(str(problem))
            raise NotBelieved("no_proof", f"the ID token is not signed by the provider: {said}") from problem

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        email, proved_at = claims.get("email"), claims.get("auth_time")
        is_verified = isinstance(email, str) and claims.get("email_verified") is True
        has_time = isinstance(proved_at, int | float) and not isinstance(proved_at, bool)
        return Identity(
            issuer=self._config.oidc_issuer,
            subject=claims["sub"],
            email=str(email) if is_verified else "",
            groups=_texts(_inside(claims, self._config.oidc_role_claim)),
            proved_at=datetime.fromtimestamp(float(proved_at or 0), UTC) if has_time else None,
        )

    # What the provider tells of itself

    def _read_metadata(self) -> dict[str, Any]:
        now_s = self._clock.monotonic()
        if not self._metadata or now_s - self._read_at_s >= METADATA_HOLDS_S:
            if now_s < self._away_until_s:
                raise OutOfReach("it was out of reach a moment ago")
            try:
                self._metadata, self._keys, self._read_at_s = self._metadata_now(), None, now_s
            except OutOfReach:
                # Not every request has to wait for a provider that is away.
                self._away_until_s = self._clock.monotonic() + AWAY_FOR_S
                raise
        return self._metadata

    def _metadata_now(self) -> dict[str, Any]:
        with self._line() as line:
            address = f"{self._config.oidc_issuer.rstrip('/')}/.well-known/openid-configuration"
            found = _read_json(line, address)
        _check_metadata(found, self._config.oidc_issuer)
        return found

    def _read_keys(self) -> KeySet:
        keys = self._keys
        if keys is None:
            with self._line() as line:
                found = _read_json(line, self._read_metadata()["jwks_uri"])
            try:
                keys = KeySet.import_key_set(found)  # type: ignore[arg-type]
            except (JoseError, ValueError, KeyError, TypeError) as problem:
                raise OutOfReach(f"its keys cannot be read: {one_line(str(problem))}") from problem
            self._keys = keys
        return keys

    def _line(self, scope: str = "openid") -> "_Line":
        config = self._config
        return _Line(
            client_id=config.oidc_client_id,
            client_secret=config.oidc_client_secret,
            redirect_uri=f"{config.public_url}{CALLBACK}",
            scope=scope,
            code_challenge_method="S256",
            token_endpoint_auth_method=_way_to_prove(self._metadata),
        )


class _Line(OAuth2Session):  # type: ignore[misc]
    """To the provider: no redirects, no proxies or passwords from the environment, answers short and in time."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.trust_env = False

    def request(self, method: str, url: str, **options: Any) -> requests.Response:
        """Raises OutOfReach."""
        began_s = time.monotonic()
        fixed = {"timeout": TIMEOUT_S, "allow_redirects": False, "stream": True}
        try:
            with super().request(method, url, **{**options, **fixed}) as answer:
                return _whole(answer, began_s + 2 * TIMEOUT_S)
        except requests.RequestException as problem:
            raise OutOfReach(f"{url}: {type(problem).__name__}") from problem

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Requests would read the body of a redirect that it does not follow."""
        return None


def _whole(answer: requests.Response, until_s: float) -> requests.Response:
    """The same answer, all of it read; its address is left out, so that no error tells of it."""
    body = bytearray()
    for chunk in answer.iter_content(16 * 1024):
        body += chunk
        if len(body) > LONGEST_ANSWER_BYTES or time.monotonic() > until_s:
            raise OutOfReach("its answer is too long, or takes too long")
    whole = requests.Response()
    whole.status_code, whole.headers, whole.encoding = answer.status_code, answer.headers, answer.encoding
    whole.raw = BytesIO(bytes(body))
    return whole


def _read_json(line: _Line, url: str, *, withhold_token: bool = True) -> dict[str, Any]:
    """Raises OutOfReach."""
    answer = line.request("GET", url, withhold_token=withhold_token)
    try:
        found = answer.json()
    except ValueError as problem:
        raise OutOfReach(f"{url} answers {answer.status_code} and no JSON") from problem
    if answer.status_code != requests.codes.ok or not isinstance(found, dict):
        raise OutOfReach(f"{url} answers {answer.status_code}")
    return found


def _usable(fetch: Callable[[], Any]) -> Mapping[str, Any]:
    """The answer to a code. Raises OutOfReach, and NotBelieved for a code that the provider does not take."""
    try:
        token: Mapping[str, Any] = fetch()
    except AuthlibBaseError as problem:
        raise NotBelieved("no_proof", f"the provider takes no such code: {one_line(str(problem))}") from problem
    except (requests.RequestException, ValueError) as problem:
        raise OutOfReach(f"the token endpoint: {one_line(str(problem))}") from problem
    return token


def _check_metadata(found: Mapping[str, Any], issuer: str) -> None:
    """Raises OutOfReach."""
    if found.get("issuer") != issuer:
        raise OutOfReach(f"it calls itself {one_line(str(found.get('issuer')))}, and DASHBOARD_OIDC_ISSUER {issuer}")
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        if not is_private(str(found.get(name, ""))):
            raise OutOfReach(f"its {name} is not there, or not HTTPS")
    if "userinfo_endpoint" in found and not is_private(str(found["userinfo_endpoint"])):
        raise OutOfReach("its userinfo_endpoint is not HTTPS")


def _way_to_prove(metadata: Mapping[str, Any]) -> str:
    """How the secret goes to the token endpoint: in a header, unless the provider takes it in the form alone."""
    ways = metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    return "client_secret_post" if "client_secret_basic" not in ways else "client_secret_basic"


def _scope(metadata: Mapping[str, Any], role_claim: str) -> str:
    """Some providers tell the groups only to those who ask for them by name; others refuse what they do not know."""
    known = metadata.get("scopes_supported", [])
    return " ".join(["openid", "email", *(name for name in ("profile", role_claim) if name in known)])


def _completed(claims: dict[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """With what the provider tells of the same person beside the ID token, which comes first. Raises NotBelieved."""
    if more.get("sub") != claims["sub"]:
        raise NotBelieved("no_proof", "the provider tells of somebody else")
    # An address and that it was verified belong together.
    of_email = {"email_verified"} if "email" in claims else set()
    return {**{name: value for name, value in more.items() if name not in of_email}, **claims}


def _inside(claims: Mapping[str, Any], name: str) -> Any:
    """What the claims have under this name, or under the names that it is put together of."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _texts(value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    return tuple(each for each in values if isinstance(each, str))
