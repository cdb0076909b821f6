"""What a refund may be a second one of, in sentences for whoever is about to let money go."""

from flask import get_template_attribute
from flask_babel import gettext as _

from dashboard import look_alikes
from dashboard.db import db
from dashboard.look_alikes import LookAlike, OtherAmounts
from dashboard.models import PaymentSession
from dashboard.web import wording
from dashboard.web.access import desk
from dashboard.web.formats import amount_with_currency, moment


def second_ones(
    payment_session: PaymentSession, amount_minor: int, currency: str, *, beside: str | None = None
) -> list[str]:
    """Warnings, none of which stops anything. `beside`: the reference of the refund itself, where it is one already."""
    now = desk().clock.now()
    found = look_alikes.of_amount(db.session(), payment_session, amount_minor, currency, now, beside=beside)
    sentences = [_sentence(one) for one in found.shown]
    if found.has_more:
        sentences.append(_("There are more refunds of the same amount like these than are shown here."))
    if look_alikes.charged_back(db.session(), payment_session.id):
        sentences.append(
            _("There is a chargeback in this session: the customer gets money back through their own bank already.")
        )
    others = look_alikes.of_other_amounts(db.session(), payment_session, amount_minor, currency, now, beside=beside)
    return [*sentences, _of_others(others)] if others else sentences


def _sentence(one: LookAlike) -> str:
    text = wording.look_alike(one.why, one.session_id, one.asked_by, moment(one.asked_at))
    with_its_refund: str = get_template_attribute("_macros.html", "with_refund")(text, one.reference)
    return with_its_refund


def _of_others(others: OtherAmounts) -> str:
    """One line for all of them: nothing is wrong with a second part of a payment, and the graver ones stand above."""
    most = [amount_with_currency(minor, currency) for currency, minor in others.most_minor.items()]
    text = wording.other_amounts(others.count, ", ".join(most))
    with_the_newest: str = get_template_attribute("_macros.html", "with_refund")(text, others.newest)
    return with_the_newest
