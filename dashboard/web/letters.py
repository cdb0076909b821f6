"""What mails say."""

from flask import render_template, url_for
from flask_babel import gettext as _

from dashboard import links
from dashboard.mail import Letter
from dashboard.web.access import desk
from dashboard.web.reader import in_language, zone


def address_of(started: links.Started) -> str:
    """Where a link leads; no browser sends what stands behind the `#`.

    The host that a request names is not to be trusted with it.
    """
    return f"{desk().config.public_url}{url_for('links.show')}#{started.token}"


def invitation(started: links.Started) -> Letter:
    """To somebody who has an account now and no password yet."""
    with in_language(started.language):
        return Letter(_("Your account at the refund desk"), _text("mail/invitation.txt", started))


def reset(started: links.Started) -> Letter:
    """To somebody who has lost their password, as an admin says."""
    with in_language(started.language):
        return Letter(_("Another password for the refund desk"), _text("mail/reset.txt", started))


def _text(template: str, started: links.Started) -> str:
    return render_template(template, link=address_of(started), started=started, zone=str(zone()))
