"""Links between the pages of a list."""

from typing import Any

from flask import request, url_for


def pager_urls(endpoint: str, older: str, **filters: Any) -> tuple[str | None, str | None]:
    """Links to the older and, except on the first page, to the newest rows, within the same filters."""
    kept = {name: value for name, value in filters.items() if value}
    older_url = url_for(endpoint, **kept, before=older) if older else None
    newest_url = url_for(endpoint, **kept) if request.args.get("before") else None
    return older_url, newest_url
