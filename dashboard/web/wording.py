"""Codes of the domain in the words that people read."""

from collections.abc import Mapping

from flask_babel import LazyString, gettext
from flask_babel import lazy_gettext as _l

from dashboard import money

REASONS: Mapping[str, LazyString] = {
    "goods_returned": _l("Goods returned"),
    "order_cancelled": _l("Order cancelled"),
    "service_not_given": _l("Service not given"),
    "duplicate_payment": _l("Duplicate payment"),
    "wrong_amount": _l("Wrong amount"),
    "fraud_suspected": _l("Fraud suspected"),
    "other": _l("Other"),
}

_REVIEWS: Mapping[str, LazyString] = {
    "stranger": _l(
        "Another refund appeared at the bank while this one was on its way, so it is not clear which is which."
    ),
    "not_found": _l("The bank does not show it, and it was sent as often as is safe."),
    "no_proof": _l(
        "Hours after it was sent the bank still shows this session only in part, so nothing can be proved about it. "
        "It may have been made: do not refund it a second time."
    ),
    "not_whole": _l(
        "For hours the bank has shown this session only in part, so this refund was not sent. Undo it, or ask the bank "
        "what became of the rest."
    ),
    "other_bank": _l("It was asked for with another bank server or project, so it is never sent from here."),
    "no_longer_fits": _l("The payment has less left than this refund asks for."),
    "duplicate": _l("The bank made two refunds under one reference of ours."),
    "contradiction": _l("The bank said both accepted and declined."),
    "restored": _l(
        "The database was put back from a backup. It is not known whether this refund was sent after the backup was "
        "made, so it is not sent from here. It may have been made: do not refund it a second time."
    ),
}

_ANOMALIES: Mapping[str, LazyString] = {
    "amount_differs": _l("The bank's amount is not the one that was asked for: %(detail)s."),
    "over_captured": _l("More is refunded or on its way than was paid."),
    "contradiction": _l("The bank said both accepted and declined. Shown is what it said first."),
    "made_after_end": _l("The bank made it after all, although it had ended here."),
    "duplicate": _l("A second refund of the bank's bears the same reference: %(detail)s."),
    "may_be_ours": _l("It came up without a reference after we had sent one; the two may be the same: %(detail)s."),
    "missing": _l("The bank does not show it any more: %(detail)s."),
    "unreadable": _l("Part of what the bank shows could not be read: %(detail)s."),
}

_REFUSALS: Mapping[str, LazyString] = {
    "forged_form": _l(
        "This form was not made for you and this session, so nothing was sent. Look at it again; "
        "it can be sent now if it is what you want."
    ),
    "unknown_open": _l(
        "The outcome of an earlier refund of this session is not known yet. Nothing was sent. "
        "Wait until the bank has told what became of it."
    ),
    "not_whole": _l(
        "Part of what the bank shows of this session could not be read or is out of date, so what is left is not "
        "certain. Nothing was sent. Try again in a minute; if it stays so, ask the bank."
    ),
    "nothing_left": _l("Nothing is left to refund in this session. Nothing was sent."),
    "outdated": _l("Nothing was sent. Look again at what is left."),
    "too_much": _l("That is more than can still be refunded. Nothing was sent."),
    "cannot_replace": _l(
        "The refund that this one was to replace is not closed as never made, or has a replacement already. "
        "Nothing was sent. Look at it, and ask for a new refund if one is still due."
    ),
}

_AMOUNTS: Mapping[str, LazyString] = {
    "empty": _l("Type the amount to refund."),
    "not_a_number": _l("This is not an amount. Type it like 1234.56 or 1 234,56."),
    "too_many_decimals": _l("Too many digits after the decimal mark for this currency."),
    "not_positive": _l("The amount must be more than zero."),
    "too_large": _l("This amount is too large."),
    "no_major_units": _l("Amounts of this currency cannot be typed. Refund all that is left instead."),
}


def reason(code: str) -> str:
    """Why a refund was asked for; empty for one made elsewhere."""
    return str(REASONS.get(code, code))


def review(code: str) -> str:
    """Why people have to look at a refund."""
    return str(_REVIEWS.get(code, code))


def anomaly(kind: str, detail: str) -> str:
    """A fact that fits no rule."""
    sentence = _ANOMALIES.get(kind)
    if kind == "amount_differs":
        amount_minor, _, currency = detail.partition(" ")
        detail = f"{money.major(int(amount_minor), currency)} {currency.upper()}"
    return str(sentence) % {"detail": detail} if sentence else f"{kind}: {detail}"


def choice(code: str, bank_id: str | None) -> str:
    """What people decide about a refund under review, as the end of a sentence."""
    if code == "that_one":
        return gettext("it is %(bank_id)s at the bank", bank_id=bank_id)
    if code == "never_made":
        return gettext("the bank never made it")
    return gettext("the facts stand as they are")


def refusal(code: str) -> str:
    """Why a refund was not made."""
    return str(_REFUSALS.get(code, code))


def bad_amount(code: str) -> str:
    """What is wrong with an amount that was typed."""
    return str(_AMOUNTS.get(code, code))


def pause(why: str) -> str:
    """Why nothing is being sent."""
    if why == "restored":
        return gettext("The database was put back from a backup, and every open session is read again first.")
    if why.startswith("keys:"):
        return gettext("The bank did not accept our signature or project (%(code)s).", code=why[5:])
    return why


_NEXT_STEPS: Mapping[str, LazyString] = {
    "awaiting_approval": _l("Somebody else has to approve it before it is sent."),
    "queued": _l("It is sent to the bank when the time to undo it is over."),
    "paused": _l("Sending is paused: it is sent once somebody resumes it. Until then it can be undone."),
    "unread": _l(
        "Nothing was sent: the bank could not be asked for the state of the session first. "
        "It is tried again by itself; until then it can be undone."
    ),
    "waiting": _l("It waits until another refund of this session is settled. Until then it can be undone."),
    "sending": _l("It is being sent to the bank right now."),
    "unknown": _l(
        "It was sent, but no answer came that can be relied on. The amount stays held and the bank is asked "
        "until it is clear. Do not refund it a second time."
    ),
    "in_progress": _l("The bank has it. This page changes by itself as soon as the bank is done."),
    "error": _l(
        "The bank reports an error, which is not its last word. The amount stays held. "
        "Ask the bank's support what becomes of it."
    ),
    "accepted": _l("Done. The bank has given the money back."),
    "declined": _l("The bank declined it and no money moved. The amount can be refunded again."),
    "refused": _l("The bank said no and made no refund. The amount can be refunded again."),
    "cancelled": _l("It was undone before it was sent. No money moved."),
    "rejected": _l("It was not approved. No money moved."),
    "abandoned": _l("Two people decided after a review that it was never made."),
}


def next_step(status: str) -> str:
    """What a refund's status means for the money, and what happens next."""
    return str(_NEXT_STEPS.get(status, ""))
