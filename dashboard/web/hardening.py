"""What holds for every request and every answer: under which name, in what form, with which headers."""

from urllib.parse import urlsplit, urlunsplit

from flask import Flask, Response, abort, request
from flask.sessions import SecureCookieSessionInterface
from flask_babel import gettext as _

from dashboard.bank131.objects import one_line
from dashboard.config import Config, is_loopback
from dashboard.web import health, metrics, refusals, webhooks

MAX_FORM_BYTES = 64 * 1024
COOKIE = "refund_desk"
# A browser takes a cookie of such a name over HTTPS alone, from this very host and for all of its paths.
HOST_PREFIX = "__Host-"
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
PERMISSIONS_POLICY = ", ".join(
    f"{feature}=()"
    for feature in (
        "accelerometer", "autoplay", "camera", "display-capture", "fullscreen", "geolocation", "gyroscope", "hid",
        "magnetometer", "microphone", "midi", "payment", "screen-wake-lock", "serial", "usb", "xr-spatial-tracking",
    )
)  # fmt: skip
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": PERMISSIONS_POLICY,
}
OVER_HTTPS_ALONE = "max-age=31536000; includeSubDomains"
_STATIC = frozenset({"static", "bootstrap.static"})
_FORMS = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
# Asked by machines, under whatever name they know this one by. Nothing they are told depends on it.
_FOR_MACHINES = frozenset({health.bp.name, metrics.bp.name, webhooks.bp.name})


def cookie_name(name: str) -> str:
    """How a cookie is called in this request: over HTTPS it is bound to its host."""
    return f"{HOST_PREFIX}{name}" if request.is_secure else name


class CookieSessions(SecureCookieSessionInterface):
    """Over HTTPS, and only there, the cookie is Secure and bound to its host by its name."""

    def get_cookie_name(self, app: Flask) -> str:
        return cookie_name(COOKIE)

    def get_cookie_secure(self, app: Flask) -> bool:
        return request.is_secure


def init_app(app: Flask, config: Config) -> None:
    """Look at every request before anything else does, and at every answer last. Call before the other parts."""
    public_host = urlsplit(config.public_url).hostname

    def refuse_other_hosts() -> None:
        if request.blueprint in _FOR_MACHINES:
            return
        host = _name_of(request.host)
        if host != public_host and not is_loopback(host):
            refusals.tell(
                "asked for under the host %s, which DASHBOARD_PUBLIC_URL does not name", one_line(request.host)
            )
            abort(400, _("This desk has another address."))

    app.session_interface = CookieSessions()
    for check in (refuse_other_hosts, _refuse_what_is_no_form, _refuse_null_characters):
        app.before_request(check)
    app.after_request(_harden)
    app.after_request(_redirect_within)


def _name_of(host: str) -> str | None:
    """The host without its port; None when it is none."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _refuse_what_is_no_form() -> None:
    """Pages take what their forms send, each field once; no files, no JSON. The webhook takes whatever is signed."""
    if request.blueprint == webhooks.bp.name or request.method in {"GET", "HEAD", "OPTIONS"}:
        return
    _refuse_too_much_in_pieces()
    if request.mimetype not in _FORMS and (request.mimetype or request.content_length):
        abort(415)
    if request.files:
        abort(415)
    if any(len(values) > 1 for _name, values in request.form.lists()):
        abort(400)


def _refuse_too_much_in_pieces() -> None:
    """A body without a length would be cut off at the limit without a word: one byte more shows that there is more."""
    if request.content_length is None:
        request.max_content_length = MAX_FORM_BYTES + 1
        if len(request.get_data(cache=True, parse_form_data=False)) > MAX_FORM_BYTES:
            abort(413)


def _refuse_null_characters() -> None:
    """Nobody types them, and PostgreSQL cannot keep them. What the bank sends is checked by its signature first."""
    if request.blueprint != webhooks.bp.name:
        given = (request.path, *request.args.values(), *request.form.values())
        if any("\0" in text for text in given):
            abort(400)


def _redirect_within(response: Response) -> Response:
    """No redirect leads out of the app; the router's own would name the host that the request named."""
    location = response.headers.get("Location")
    if location:
        parts = urlsplit(location)
        response.headers["Location"] = urlunsplit(("", "", f"/{parts.path.lstrip('/')}", parts.query, ""))
    return response


def _harden(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.is_secure:
        response.headers.setdefault("Strict-Transport-Security", OVER_HTTPS_ALONE)
    if request.endpoint not in _STATIC:
        response.headers.setdefault("Cache-Control", "no-store")
    return response
