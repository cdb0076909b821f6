"""What mails say."""

from collections.abc import Mapping, Sequence
from typing import Any

from flask import get_template_attribute, render_template, url_for
from flask_babel import gettext as _

from dashboard import links, notice_rules, refund_rules
from dashboard.mail import Letter
from dashboard.models import Person
from dashboard.notice_rules import Matter
from dashboard.notices import Section
from dashboard.search_language import OPEN
from dashboard.web import formats, reader, wording
from dashboard.web.access import desk
from dashboard.web.reader import in_language, zone

# Of each kind so many are named.
MOST_NAMED = 20


def address_of(started: links.Started) -> str:
    """Where a link leads; no browser sends what stands behind the `#`.

    The host that a request names is not to be trusted with it.
    """
    return f"{_address('links.show')}#{started.token}"


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


def _address(endpoint: str, **values: Any) -> str:
    return f"{desk().config.public_url}{url_for(endpoint, **values)}"


# What is wrong, or waits

# What there is to tell -> where all of it stands, where there is such a place.
_LISTS: Mapping[str, tuple[str, dict[str, str]]] = {
    notice_rules.PAUSED: ("overview.index", {}),
    notice_rules.NO_WEBHOOKS: ("overview.index", {}),
    notice_rules.UNDER_REVIEW: ("review.index", {}),
    notice_rules.PROPOSED: ("review.index", {}),
    notice_rules.ODD_FACT: ("review.index", {}),
    notice_rules.AWAITING_APPROVAL: ("approvals.index", {}),
    notice_rules.OUTCOME_UNKNOWN: ("refunds.index", {"status": refund_rules.UNKNOWN}),
    notice_rules.OPEN_FOR_LONG: ("refunds.index", {"status": OPEN}),
}
# What there is to tell -> where one of it stands, where that is not the page of its refund.
_PAGES: Mapping[str, tuple[str, str]] = {
    notice_rules.UNDER_REVIEW: ("review.show", "reference"),
    notice_rules.PROPOSED: ("review.show", "reference"),
    notice_rules.ODD_FACT: ("review.anomaly", "name"),
    notice_rules.AWAITING_APPROVAL: ("approvals.show", "reference"),
}


def notices(person: Person, sections: Sequence[Section]) -> Letter:
    """To somebody who chose to hear of it. Of refunds it has session, amount, status and number, and nothing more."""
    reader.welcome(person)
    with in_language(person.language):
        told = [_section(section) for section in sections]
        subject = told[0]["heading"] if len(told) == 1 else _("Several things need attention")
        choices = _address("account.index", _anchor="notices")
        text = render_template("mail/notices.txt", sections=told, choices=choices)
        return Letter(_("Refund desk: %(what)s", what=subject), text)


def _section(section: Section) -> dict[str, Any]:
    endpoint, values = _LISTS.get(section.what, ("", {}))
    named = [matter for matter in section.new[:MOST_NAMED] if matter.subject]
    return {
        "heading": wording.notice_heading(section.what, len(section.new), desk().config.ageing_days),
        "meaning": wording.notice_meaning(section.what),
        "lines": [{"text": _line(matter), "link": _link(matter)} for matter in named],
        "more": len(section.new) - len(named) if named else 0,
        "count": f"{formats.number(section.count)}{'+' if section.is_more else ''}" if named else "",
        "list": _address(endpoint, **values) if endpoint else "",
    }


def _line(matter: Matter) -> str:
    if matter.what == notice_rules.ODD_FACT:
        return _("%(fact)s, session %(session)s", fact=wording.anomaly_name(matter.state), session=matter.session_id)
    status_word = get_template_attribute("_macros.html", "status_word")
    return _(
        "%(amount)s, %(status)s, session %(session)s, refund %(reference)s",
        amount=formats.amount_with_currency(matter.amount_minor, matter.currency),
        status=str(status_word(matter.state)),
        session=matter.session_id,
        reference=matter.subject,
    )


def _link(matter: Matter) -> str:
    endpoint, argument = _PAGES.get(matter.what, ("refunds.show", "reference"))
    return _address(endpoint, **{argument: matter.subject})
