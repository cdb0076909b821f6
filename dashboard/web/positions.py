"""What a page is answered that asks from the position in the journal up to which it was told."""

from flask import abort, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _


def position() -> int | None:
    """The position that the page asks from; None when it asks from none. 400 for what is no position."""
    since = request.args.get("since")
    if since is None:
        return None
    if not since.isascii() or not since.isdecimal() or len(since) > 18:
        abort(400, _("The position in the journal is missing."))
    return int(since)


def in_short(since: int | None, head: int) -> ResponseReturnValue | None:
    """The answer where nothing moved since then, or where the page is ahead of the journal and has to begin anew.

    None: the page needs the whole answer.
    """
    if since is None or since < head:
        return None
    return "", 204 if since == head else 205
