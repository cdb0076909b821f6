"""Codes of the domain in the words that people read."""

from collections.abc import Iterator, Mapping
from typing import Any

from flask_babel import LazyString, format_decimal, get_locale, gettext, ngettext
from flask_babel import lazy_gettext as _l

from dashboard import (
    look_alikes,
    mail,
    money,
    notice_rules,
    passwords,
    refund_exports,
    refund_rules,
    search_language,
)
from dashboard.refund_exports import Progress

REASONS: Mapping[str, LazyString] = {
    "goods_returned": _l("Goods returned"),
    "order_cancelled": _l("Order cancelled"),
    "service_not_given": _l("Service not given"),
    "duplicate_payment": _l("Duplicate payment"),
    "wrong_amount": _l("Wrong amount"),
    "fraud_suspected": _l("Fraud suspected"),
    "other": _l("Other"),
}

ROLES: Mapping[str, LazyString] = {
    "viewer": _l("Viewer: looks"),
    "operator": _l("Operator: also refunds, undoes and decides with somebody else"),
    "approver": _l("Approver: an operator who also approves what others may not send alone"),
    "admin": _l("Admin: an approver who also looks after accounts and sets the limits"),
}

# Code -> its name, what it says, and what to do. The README's runbook has the same names.
Words = tuple[LazyString, LazyString, LazyString]

REVIEWS: Mapping[str, Words] = {
    "stranger": (
        _l("Not clear which is ours"),
        _l("Another refund appeared at the bank while this one was on its way, so it is not clear which is which."),
        _l("Ask the bank, or whoever refunds there, what the other one is."),
    ),
    "not_found": (
        _l("Not found at the bank"),
        _l("The bank does not show it, and it was sent as often as is safe."),
        _l("Ask the bank whether it has made it under another number, or ever will."),
    ),
    "no_proof": (
        _l("Nothing can be proved"),
        _l(
            "Long after it was sent the bank still shows this session only in part, gives no answer that can be read "
            "or cannot be reached at all, so nothing can be proved of it. It may have been made: do not refund it a "
            "second time."
        ),
        _l("Ask the bank what became of it, and why its session cannot be read."),
    ),
    "not_whole": (
        _l("The bank shows only a part"),
        _l(
            "For hours the bank has shown this session only in part or given no answer that can be read, so this "
            "refund was not sent. Undo it, or ask the bank what became of the rest."
        ),
        _l("What was refunded and cannot be seen may have taken the money already."),
    ),
    "other_bank": (
        _l("Another bank server or project"),
        _l("It was asked for with another bank server or project, so it is never sent from here."),
        _l("Look for it there, with that server's own tools."),
    ),
    "no_longer_fits": (
        _l("No longer fits"),
        _l("The payment has less left than this refund asks for."),
        _l(
            "So it is not sent. If it is still queued, undo it and ask for what is left. If its outcome is unknown, "
            "ask the bank about the first send."
        ),
    ),
    "body_changed": (
        _l("Not what was asked for"),
        _l("What is stored to be sent is not what this refund says, so it is not sent."),
        _l("Somebody has changed the database. Undo it if it is still queued, and run dashboard journal verify."),
    ),
    "replaced_one_made": (
        _l("The first one turned up"),
        _l(
            "It was asked for in the place of a refund that the bank has made after all, or of which something came up "
            "at the bank that may be it. So it is not sent."
        ),
        _l("Undo it, unless the customer is to be paid both."),
    ),
    "duplicate": (
        _l("Made twice at the bank"),
        _l("The bank made two refunds under one reference of ours."),
        _l("Both count as given back. Ask the bank to take one of them back."),
    ),
    "contradiction": (
        _l("Accepted and declined"),
        _l("The bank said both accepted and declined."),
        _l("Ask the bank which of the two is true. Until then the amount counts as given back."),
    ),
    "restored": (
        _l("Put back from a backup"),
        _l(
            "The database was put back from a backup. It is not known whether this refund was sent after the backup "
            "was made, so it is not sent from here. It may have been made: do not refund it a second time."
        ),
        _l("Look for it at the bank. It ends by itself if it turns up there under our reference."),
    ),
}

ANOMALIES: Mapping[str, Words] = {
    refund_rules.AMOUNT_DIFFERS: (
        _l("Another amount at the bank"),
        _l("The bank's amount is not the one that was asked for: %(detail)s."),
        _l("The larger of the two is held. Ask the bank why, and ask for the rest or get back what was too much."),
    ),
    refund_rules.OVER_CAPTURED: (
        _l("More than was paid"),
        _l("More is refunded or on its way than was paid."),
        _l("Nothing more of this session can be refunded. Look at its refunds and chargebacks, and ask the bank."),
    ),
    refund_rules.CONTRADICTION: (
        _l("Accepted and declined"),
        _l("The bank said both accepted and declined. Shown is what it said first."),
        _l("The amount counts as given back. Ask the bank which of the two is true."),
    ),
    refund_rules.MADE_AFTER_END: (
        _l("Made after it had ended"),
        _l("The bank made it after all, although it had ended here."),
        _l("The money is gone, and counts. If it was refunded again meanwhile, it went back twice: ask the bank."),
    ),
    refund_rules.DUPLICATE: (
        _l("Made twice at the bank"),
        _l("A second refund of the bank's bears the same reference: %(detail)s."),
        _l("Both count as given back. Ask the bank to take one of them back."),
    ),
    refund_rules.MAY_BE_OURS: (
        _l("May be the same refund"),
        _l("It came up without a reference after we had sent one; the two may be the same: %(detail)s."),
        _l("Both are held. Ask the bank whether they are one; if they are, two people can say so."),
    ),
    refund_rules.MISSING: (
        _l("Gone from the bank"),
        _l("The bank does not show it any more: %(detail)s."),
        _l("It goes on counting, and nothing of this session is sent while it is missing. Ask the bank where it is."),
    ),
    refund_rules.UNREADABLE: (
        _l("Could not be read"),
        _l("Part of what the bank shows could not be read: %(detail)s."),
        _l("No refund of this session is sent while it stays so. Tell whoever runs this desk, and ask the bank."),
    ),
    refund_rules.UNREAD: (
        _l("Not shown by the bank"),
        _l(
            "For hours the bank has not shown this session, or has shown another one under its number, though a refund "
            "of it is under way."
        ),
        _l(
            "What became of that refund is not known here: its amount stays held, and nothing of this session is sent "
            "or can be asked for. Ask the bank about it, and look whether this desk is set to the bank and project "
            "that have it."
        ),
    ),
}

# Of those that can be over: what it was.
_OVER: Mapping[str, LazyString] = {
    refund_rules.MISSING: _l("For a time the bank did not show it: %(detail)s. It shows it again."),
    refund_rules.UNREADABLE: _l("For a time part of what the bank shows could not be read: %(detail)s."),
    refund_rules.UNREAD: _l("For hours the bank did not show this session. It shows it again."),
    refund_rules.AMOUNT_DIFFERS: _l("For a time the bank showed another amount: %(detail)s."),
    refund_rules.OVER_CAPTURED: _l("For a time more was refunded or on its way than was paid."),
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
    "no_right": _l("Your account may not ask for refunds any more. Nothing was sent. Ask an admin."),
    "not_allowed": _l("The limits do not allow this refund, whoever approves. Nothing was sent."),
    "held_to_old_limit": _l(
        "Within the last 24 hours you, or somebody who let you in, made the limit higher: till then the old one holds "
        "for you, and it does not allow this refund. Nothing was sent. Somebody else may ask for it."
    ),
    "too_much": _l("That is more than can still be refunded. Nothing was sent."),
    "just_restored": _l(
        "The database was put back from a backup, and refunds that were asked for before may still arrive at the bank. "
        "So that nobody is paid twice, none can be asked for before %(since)s. Nothing was sent."
    ),
    "other_bank": _l(
        "This desk was moved to another bank server or project, and this page comes from a server that is still set to "
        "the old one. Nothing was sent. Tell whoever runs the desk to restart it, and ask again then."
    ),
    "replaced_already": _l(
        "The refund that this one was to replace has been asked for again already. Nothing was sent: it would have "
        "been paid twice. Only if something else is due as well, ask for that as an ordinary refund."
    ),
    "cannot_replace": _l(
        "The refund that this one was to replace is not closed as never made. Nothing was sent. Look at it, and ask "
        "for an ordinary refund if one is still due."
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


CODE_RAN_OUT = _l(
    "That code has just run out: type the next one. If this goes on, the clock of your device is behind: set it."
)

_LIMITS: Mapping[str, LazyString] = {
    "negative": _l("A limit cannot be less than nothing. Nothing was set."),
    "crossed": _l(
        "What one person may send alone is more than what may be sent with approval. Nothing was set. Raise the second "
        "amount or lower the first."
    ),
    "any_currency": _l(
        "An amount means something else in each currency, so for all others a limit can only be 0 or empty. "
        "Nothing was set."
    ),
}


# What can be narrowed to in a search box, and how it is written.
_TERMS: Mapping[str, LazyString] = {
    "status": _l("its status by its name here or the beginning of it, or several with commas between them"),
    "amount": _l("exactly, >, >=, <, <= or from..to, with or without its currency: >15000, 100..200 RUB"),
    "currency": _l("such as rub"),
    "since": _l(
        "a day, a weekday, a month or days ago: 2026-03-31, 31.03.2026 or 31/03/2026 (the day first), 31 mar, monday, "
        "2026-03, 7d"
    ),
    "until": _l("the same, that day included"),
    "by": _l("who asked for it: the beginning of an address, or me"),
    "customer": _l("words of the customer’s reference, or their beginnings"),
    "card": _l("its last four digits, or its brand"),
    "reason": _l("why it was asked for"),
    "session": _l("the session’s whole id"),
    "made": _l("where it was made"),
}

# The values that some of them are chosen from, beside those of statuses.
TERM_VALUES: Mapping[str, Mapping[str, LazyString]] = {
    "since": {"today": _l("Today"), "yesterday": _l("Yesterday"), "monday": _l("Monday"), "7d": _l("7 days ago")},
    "reason": REASONS,
    "made": {"here": _l("Here"), "bank": _l("At the bank"), "chargeback": _l("Chargeback")},
}

_BAD_TERMS: Mapping[str, LazyString] = {
    "status": _l("There is no status “%(value)s”. Write one of the list, such as status:declined or status:open."),
    "amount": _l(
        "“%(value)s” is no amount. Write it like amount:1500.50, amount:>15000, amount:100..200 or amount:100 RUB."
    ),
    "currency": _l("“%(value)s” is no currency. Write its three letters, such as currency:rub."),
    "since": _l(
        "“%(value)s” is no day. Write it like since:2026-03-31, since:31.03.2026 or since:31/03/2026 (the day first), "
        "since:31 mar, since:monday, since:2026-03 or since:7d."
    ),
    "until": _l(
        "“%(value)s” is no day. Write it like until:2026-03-31, until:31.03.2026 or until:31/03/2026 (the day first), "
        "until:31 mar, until:yesterday, until:2026-03 or until:7d."
    ),
    "card": _l("“%(value)s” is no card. Write its last four digits or its brand: card:4242 or card:visa."),
    "reason": _l("There is no reason “%(value)s”. Write the beginning of one of the list, such as reason:duplicate."),
    "made": _l("Refunds are made here, at the bank or by a chargeback: made:here, made:bank or made:chargeback."),
}


def terms() -> Iterator[tuple[str, str, str]]:
    """The terms of the search box: the name of each, how it is called in the reader's language, and what it is for."""
    for name, hint in _TERMS.items():
        yield name, _shown_name(name), str(hint)


def too_slow_search() -> str:
    """Why a search was broken off."""
    return gettext("This goes through too much, and was broken off. Name days or a session, or fewer words.")


def _shown_name(name: str) -> str:
    return search_language.NAMES[name] if str(get_locale()) == "ru" else name


def unknown_names(text: str) -> str:
    """What was typed as the names of terms that do not exist; empty where there is no such name."""
    return ", ".join(gettext("“%(name)s:”", name=name) for name in search_language.unknown_names(text))


def amount_term(amount: str) -> str:
    """The term of the search box for refunds of this amount, in the reader's language."""
    return f"{_shown_name('amount')}:{amount}"


def among_latest(term: str) -> str:
    """The same search among the refunds of the last month."""
    return f"{term} {_shown_name('since')}:30d"


def bad_term(name: str, value: str, why: str) -> str:
    """Why a term of the search box cannot be used; `why` as in BadTerm."""
    if why == "long":
        return too_long_search()
    if why == "twice":
        return gettext("“%(name)s:” stands there twice. Leave one of them.", name=_shown_name(name))
    if not value:
        return gettext("Something is missing after “%(name)s:”.", name=_shown_name(name))
    if why == "several":
        return gettext("“%(value)s” begins several. Write more of the one that is meant.", value=value)
    if why == "apart":
        return gettext(
            "No amount fits all that is asked for: “%(value)s”. They exclude one another. Change one of them.",
            value=value,
        )
    if why == "backwards" and name == "amount":
        return gettext("No amount is within “%(value)s”. Write the smaller one first, such as 100..200.", value=value)
    if why == "backwards":
        since, until = _shown_name("since"), _shown_name("until")
        return gettext(
            "No day is within “%(since)s:” and “%(until)s:”: the first is after the last. Change one of them.",
            since=since,
            until=until,
        )
    return str(_BAD_TERMS[name]) % {"value": value}


def bad_day(text: str) -> str:
    """What is wrong with a text in the place of a day."""
    return gettext("%(text)s is no date. Write it like 2026-03-31.", text=text[:40])


def too_long_search() -> str:
    """Why a search is not begun: a part of it would find something else."""
    return gettext(
        "This is too long to be searched for: %(count)s characters are the most. Leave something out.",
        count=search_language.LONGEST,
    )


def no_day(first: str, last: str) -> str:
    """Why no day is left."""
    return gettext("The first day, %(first)s, is after the last one, %(last)s.", first=first, last=last)


_BAD_VIEWS: Mapping[str, LazyString] = {
    "no_name": _l("It was not kept: give it a name."),
    "long_name": _l("It was not kept: its name is too long. Forty letters are enough."),
    "too_many": _l("It was not kept: twenty are the most. Forget one first."),
}


def bad_view(code: str) -> str:
    """Why a search cannot be kept."""
    return str(_BAD_VIEWS[code])


def bad_limit(code: str) -> str:
    """Why limits cannot be set."""
    return str(_LIMITS.get(code, code))


def bad_limit_amount(code: str) -> str:
    """Why what was typed as a limit is none."""
    if code == "no_major_units":
        return gettext("Amounts of this currency cannot be typed. Only 0 or nothing can be set for it.")
    return bad_amount(code)


def reason(code: str) -> str:
    """Why a refund was asked for; empty for one made elsewhere."""
    return str(REASONS.get(code, code))


def review(code: str) -> str:
    """Why people have to look at a refund."""
    return _word(REVIEWS, code, 1)


def review_name(code: str) -> str:
    """The same in a few words."""
    return _word(REVIEWS, code, 0)


def review_step(code: str) -> str:
    """What to do about it."""
    return _word(REVIEWS, code, 2)


def anomaly(kind: str, detail: str) -> str:
    """A fact that fits no rule."""
    if kind == refund_rules.AMOUNT_DIFFERS:
        amount_minor, _, currency = detail.partition(" ")
        detail = f"{money.major(int(amount_minor), currency)} {currency.upper()}"
    return _word(ANOMALIES, kind, 1) % {"detail": detail} if kind in ANOMALIES else f"{kind}: {detail}"


def over_anomaly(kind: str, detail: str) -> str:
    """A fact that fits no rule, and does not hold any more."""
    return str(_OVER[kind]) % {"detail": detail} if kind in _OVER else anomaly(kind, detail)


def anomaly_name(kind: str) -> str:
    """The same in a few words."""
    return _word(ANOMALIES, kind, 0)


def anomaly_step(kind: str, *, is_over: bool = False) -> str:
    """What it means for the money, and what to do about it."""
    if is_over:
        return gettext("It holds nothing up any more. Acknowledge it, so that it is known that somebody has looked.")
    return _word(ANOMALIES, kind, 2)


def _word(words: Mapping[str, Words], code: str, which: int) -> str:
    return str(words[code][which]) if code in words else code


def choice(code: str, bank_id: str | None) -> str:
    """What people decide about a refund under review, as the end of a sentence."""
    if code == "that_one":
        return gettext("it is %(bank_id)s at the bank", bank_id=bank_id)
    if code == "never_made":
        return gettext("the bank never made it")
    return gettext("the facts stand as they are")


_CHOICES: Mapping[str, LazyString] = {
    "never_made": _l("The bank never made it"),
    "that_one": _l("It is %(bank_id)s at the bank"),
    "stands": _l("The facts stand as they are"),
}

_EFFECTS: Mapping[str, LazyString] = {
    "never_made": _l(
        "It ends as never made: %(amount)s is free again and can be refunded anew. If the bank has made it after all, "
        "the customer can be paid twice, so be sure."
    ),
    "that_one": _l(
        "Our refund and the bank's become one, with the bank's status. %(held)s counts once instead of twice, "
        "and nothing more is sent for it."
    ),
    "that_one_declined": _l(
        "Our refund and the bank's become one, with the bank's status. The bank declined it, so nothing is held for it "
        "any more and the amount can be refunded again."
    ),
    "stands": _l(
        "Nothing changes in the books: what counts as given back goes on counting, and the refund needs nobody any "
        "more. If too much went back, getting it back is between you, the customer and the bank."
    ),
}


def choice_name(code: str, bank_id: str | None) -> str:
    """What people decide about a refund under review, as a line to choose."""
    return str(_CHOICES[code]) % {"bank_id": bank_id}


def nothing_to_decide(state: str) -> str:
    """Why people have nothing to decide about a refund that is not under review."""
    if state in refund_rules.OPEN_SEND:
        return gettext(
            "The outcome of this refund is not known yet: the desk is still asking the bank. A decision may be needed "
            "later."
        )
    if state in refund_rules.UNDOABLE:
        return gettext("There is nothing to decide about this refund: it waits to be sent.")
    return gettext("This refund does not need a decision any more.")


def effect(code: str, amount: str, held: str = "") -> str:
    """What a decision does to the money. `held`: what counts once our refund and the bank's are one."""
    return str(_EFFECTS[code]) % {"amount": amount, "held": held}


_NOT_DECIDED: Mapping[str, LazyString] = {
    "not_in_review": _l(
        "Nothing was decided: this refund does not need a decision now. Its status says how its money stands."
    ),
    "choice_not_open": _l(
        "Nothing was decided: what the bank shows now does not allow this choice. The amount stays held. "
        "Look at what it shows and choose again."
    ),
    "not_whole": _l(
        "Nothing was decided: part of what the bank shows could not be read or is out of date, so nothing can be "
        "proved by it. The amount stays held. Try again in a minute; if it stays so, ask the bank."
    ),
    "not_open_yet": _l(
        "Nothing was decided: until %(since)s the bank may still carry this refund out, so nobody can know yet that it "
        "never will. The amount stays held. Come back after that."
    ),
    "other_bank": _l(
        "Nothing was decided: this refund was asked for with another bank server or project, and what is read from "
        "here says nothing about it. The amount stays held. Have BANK131_URL, BANK131_PROJECT and the keys set to that "
        "one again, then decide on what it shows."
    ),
    "proposal_open": _l(
        "Nothing was added: there is another proposal for this refund, and it has to be decided first. "
        "The amount stays held. Confirm or reject that one, or have it withdrawn."
    ),
    "same_person": _l(
        "Nothing was decided: it takes two different people, and this is your own proposal. The amount stays held. "
        "Ask a colleague, or withdraw it."
    ),
    "not_two_people": _l(
        "Nothing was decided: within the last 24 hours one of you and whoever proposed it has set up or opened the "
        "account of the other, or somebody has those of both, so you do not count as two people yet. The amount stays "
        "held. Ask another colleague."
    ),
    "not_yours": _l(
        "Nothing was changed: only the one who proposed it can withdraw it. The amount stays held. "
        "If you do not agree, reject it."
    ),
    "outdated": _l(
        "Nothing was decided: what the proposal rested on has changed, so it is closed. The amount stays as the status "
        "says. Look at what the bank shows now and propose anew if it is still needed."
    ),
    "proposer_gone": _l(
        "Nothing was decided: whoever proposed this may not decide on refunds any more, so the proposal is closed. "
        "The amount stays as the status says. Propose it anew if it is still right; somebody else has to agree then."
    ),
    "no_right": _l(
        "Nothing was decided: your account may not decide on refunds any more. The amount stays held. Ask an admin."
    ),
    "decided": _l(
        "Nothing was changed: somebody has decided on this meanwhile. What was decided, and what it means for the "
        "money, stands below."
    ),
    "comment_missing": _l(
        "Nothing was decided: write down why, for those who read this later. Nothing has changed for the money."
    ),
}


def not_decided(code: str, since: str = "") -> str:
    """Why nothing was decided, what that means for the money, and what to do."""
    return str(_NOT_DECIDED[code]) % {"since": since} if code in _NOT_DECIDED else code


def not_acknowledged(code: str, by: str, at: str) -> str:
    """Why a fact that fits no rule was not acknowledged. `by`, `at`: who had done so before, and when."""
    if code == "acknowledged":
        return gettext(
            "Nothing was changed: %(person)s has acknowledged it already, at %(time)s, with the comment below. "
            "Only the first comment is kept, so yours was not added.",
            person=by,
            time=at,
        )
    return not_decided(code)


_CLOSED: Mapping[str, LazyString] = {
    "not_in_review": _l("It does not need a decision any more."),
    "choice_not_open": _l("What the bank shows now does not allow it."),
    "not_whole": _l("Part of what the bank shows could not be read or is out of date. Try again in a minute."),
    "other_bank": _l(
        "It was asked for with another bank server or project. The desk has to be set to that one again first."
    ),
    "not_open_yet": _l("Not before %(since)s: until then the bank may still carry it out."),
}


def closed_choice(code: str, since: str = "") -> str:
    """Why a choice is not open at the moment, in short."""
    return str(_CLOSED[code]) % {"since": since}


def refusal(code: str, since: str = "") -> str:
    """Why a refund was not made."""
    return str(_REFUSALS.get(code, code)) % {"since": since}


def bad_amount(code: str) -> str:
    """What is wrong with an amount that was typed."""
    return str(_AMOUNTS.get(code, code))


def restored(left: int, since: str) -> str:
    """Why nothing is being sent after a restore: sessions `left` to be read again, and until when calls may arrive."""
    sentences = [gettext("The database was put back from a backup.")]
    if since:
        sentences.append(
            gettext(
                "What was sent before may still arrive at the bank; sending can be resumed after %(since)s.",
                since=since,
            )
        )
    if left:
        sentences.append(
            ngettext(
                "%(num)d session with an open refund has still to be read again; sending cannot be resumed before.",
                "%(num)d sessions with open refunds have still to be read again; sending cannot be resumed before.",
                left,
            )
        )
    else:
        sentences.append(gettext("Every open session has been read again."))
    return " ".join(sentences)


def pause(why: str) -> str:
    """Why nothing is being sent."""
    if why.startswith("keys:"):
        return gettext("The bank did not accept our signature or project (%(code)s).", code=why[5:])
    return why


_NOT_APPROVED: Mapping[str, LazyString] = {
    "not_waiting": _l(
        "Nothing was decided: this refund does not wait for approval any more. Its status says how its money stands."
    ),
    "decided": _l("Nothing was changed: somebody else has decided about this refund already. See its timeline."),
    "same_person": _l(
        "Nothing was decided: it takes two different people, and you asked for this refund yourself. The amount stays "
        "held. Ask a colleague, or undo it."
    ),
    "no_right": _l(
        "Nothing was decided: your account may not approve refunds any more. The amount stays held. Ask an admin."
    ),
    "not_two_people": _l(
        "Not approved: within the last 24 hours one of you and whoever asked for this refund has set up or opened the "
        "account of the other, or somebody has those of both, so you do not count as two people yet. The amount stays "
        "held. Ask another colleague."
    ),
    "held_to_old_limit": _l(
        "Not approved: within the last 24 hours you, or somebody who let you in, made the limit higher, so the old one "
        "still holds for you. The amount stays held. Ask another colleague."
    ),
    "not_allowed": _l(
        "Not approved: the limits do not allow this refund any more, whoever approves. The amount stays held until you "
        "reject it or it is undone."
    ),
    "asker_gone": _l(
        "Not approved: the account that asked for it was disabled or may not ask for refunds any more, so this may not "
        "be what its owner wants. The amount stays held. Reject it; if the refund is right, ask for it anew."
    ),
    "comment_missing": _l("Nothing was decided: write down why you reject it. The amount stays held."),
    "not_whole": _l(
        "Not approved: part of what the bank shows of this session could not be read or is out of date, so what is "
        "left is not certain. The amount stays held. Try again in a minute; if it stays so, ask the bank."
    ),
    "unknown_open": _l(
        "Not approved: the outcome of another refund of this session is not known yet. The amount stays held. Approve "
        "it once the bank has told what became of the other one."
    ),
    "no_longer_fits": _l(
        "Not approved: the session has less left than this refund asks for. The amount stays held until you reject it "
        "or it is undone; what is left can then be asked for anew."
    ),
    "under_review": _l(
        "Nothing was decided: this refund needs a decision of two people, because it may have been sent already. The "
        "amount stays held. Open its review."
    ),
    "other_bank": _l(
        "Not approved: this desk was moved to another bank server or project, and this page comes from a server that "
        "is still set to the old one. The amount stays held. Tell whoever runs the desk to restart it."
    ),
    "just_restored": _l(
        "Not approved: the database was put back from a backup, and refunds that were sent before may still arrive at "
        "the bank. The amount stays held. Try again later."
    ),
}


def not_approved(code: str) -> str:
    """Why a second person's word was not taken, what that means for the money, and what to do."""
    return str(_NOT_APPROVED.get(code, code))


_NEXT_STEPS: Mapping[str, LazyString] = {
    "awaiting_approval": _l(
        "Somebody else has to approve it before it is sent. Its amount is held; until then it can be undone."
    ),
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
    "accepted_contradicted": _l(
        "The bank said first that it was accepted, and later that it was declined. Which of the two is true is not "
        "known here, so the amount stays held. Ask the bank; do not refund it a second time before it has answered."
    ),
    "declined_contradicted": _l(
        "The bank said first that it was declined, and later that it was accepted. Which of the two is true is not "
        "known here, so the amount stays held. Ask the bank; do not refund it a second time before it has answered."
    ),
    "declined": _l("The bank declined it and no money moved. The amount can be refunded again."),
    "refused": _l("The bank said no and made no refund. The amount can be refunded again."),
    "cancelled": _l("It was undone before it was sent. No money moved."),
    "rejected": _l("It was not approved. No money moved."),
    "abandoned": _l("Two people decided after a review that it was never made. The amount can be refunded again."),
    "replaced": _l(
        "Two people decided after a review that it was never made. It has been asked for again: see the refund under "
        "“Asked for again as”."
    ),
}


def next_step(status: str) -> str:
    """What a refund's status means for the money, and what happens next."""
    return str(_NEXT_STEPS.get(status, ""))


# Accounts


def too_many_attempts(retry_after_s: int) -> str:
    """Why nothing was even looked at, and when it will be."""
    return ngettext(
        "Too many attempts. Try again in %(num)d minute.",
        "Too many attempts. Try again in %(num)d minutes.",
        -(-retry_after_s // 60),
    )


def bad_password(code: str) -> str:
    """What is wrong with a new password, by the code of `passwords.BadPassword`."""
    if code == "too_short":
        return gettext("At least %(number)d characters.", number=passwords.SHORTEST)
    if code == "too_long":
        return gettext("At most %(max)d characters.", max=passwords.LONGEST)
    if code == "common":
        return gettext("This is one of the passwords that are tried first everywhere. Take another one.")
    if code == "leaked":
        return gettext("This password has leaked somewhere, so others may try it. Take another one.")
    if code == "unchecked":
        return gettext(
            "The list of leaked passwords cannot be read just now, so no password can be set. "
            "Ask whoever runs the desk to mend it."
        )
    return gettext("This is little more than your address or words of this desk. Take another one.")


_MAIL_PROBLEMS: Mapping[str, LazyString] = {
    mail.REPLACED: _l("Its link is over, or another one took its place."),
    mail.TOO_LATE: _l("No mail server took it while the link held: ask whoever runs the desk."),
    mail.DISABLED: _l("The account was disabled."),
    mail.CANNOT_READ: _l("It was written with another secret key and cannot be read any more."),
    mail.BAD_ADDRESS: _l("No mail can be sent to this address."),
}


def mail_problem(problem: str) -> str:
    """Why a mail was not sent, by the code of `mail` or in the server's words."""
    known = _MAIL_PROBLEMS.get(problem)
    return str(known) if known else gettext("The mail server says: %(words)s", words=problem)


# What people hear of by mail, as they choose it: its name, and what it means.
NOTICES: Mapping[str, tuple[LazyString, LazyString]] = {
    notice_rules.APPROVAL: (
        _l("A refund waits for approval"),
        _l("Somebody else asked for it, and you may approve it."),
    ),
    notice_rules.REVIEW: (
        _l("Something needs people"),
        _l("A refund under review, a proposal that waits for a second person, or a fact that does not fit."),
    ),
    notice_rules.UNKNOWN: (
        _l("The outcome of a refund is unknown"),
        _l("It was sent ten minutes ago or more, and no answer came that can be relied on."),
    ),
    notice_rules.FAILED: (
        _l("A refund of yours did not go through"),
        _l("You asked for it, and it was declined, refused or not approved."),
    ),
    notice_rules.FAILED_OF_ALL: (
        _l("Anybody’s refund did not go through"),
        _l("The same, whoever asked for it."),
    ),
    notice_rules.AGEING: (
        _l("A refund has been open for long"),
        _l("It is days old, and neither done nor over."),
    ),
    notice_rules.DESK: (
        _l("The desk does not work as it should"),
        _l("Sending is paused, or the bank’s webhooks do not arrive any more."),
    ),
}


def notice_heading(what: str, number: int, ageing_days: int) -> str:
    """What a mail tells of, by the code of `notice_rules`: so many at once."""
    match what:
        case notice_rules.PAUSED:
            return gettext("Sending is paused")
        case notice_rules.NO_WEBHOOKS:
            return gettext("The bank’s webhooks do not arrive")
        case notice_rules.UNDER_REVIEW:
            return ngettext("%(num)d refund needs people", "%(num)d refunds need people", number)
        case notice_rules.PROPOSED:
            return ngettext(
                "%(num)d proposal waits for a second person", "%(num)d proposals wait for a second person", number
            )
        case notice_rules.ODD_FACT:
            return ngettext("%(num)d fact does not fit", "%(num)d facts do not fit", number)
        case notice_rules.AWAITING_APPROVAL:
            return ngettext("%(num)d refund waits for approval", "%(num)d refunds wait for approval", number)
        case notice_rules.OUTCOME_UNKNOWN:
            return ngettext(
                "The outcome of %(num)d refund is unknown", "The outcome of %(num)d refunds is unknown", number
            )
        case notice_rules.NOT_MADE:
            return ngettext("%(num)d refund did not go through", "%(num)d refunds did not go through", number)
    return ngettext(
        "%(num)d refund has been open for long (days: over %(days)d)",
        "%(num)d refunds have been open for long (days: over %(days)d)",
        number,
        days=ageing_days,
    )


_NOTICE_MEANINGS: Mapping[str, LazyString] = {
    notice_rules.PAUSED: _l(
        "No refund is sent until somebody resumes it. Everything else goes on. Look why it is paused before you resume."
    ),
    notice_rules.NO_WEBHOOKS: _l(
        "Several refunds were accepted and none was told of by a webhook. The desk reads them from the bank, so what "
        "it shows is true, only later. Look whether the bank still sends to the right address, and whether its key is "
        "the one that is set."
    ),
    notice_rules.UNDER_REVIEW: _l("The amount stays held, and nothing of its session is sent meanwhile."),
    notice_rules.PROPOSED: _l("The amount stays held until somebody else confirms or rejects it."),
    notice_rules.ODD_FACT: _l("It contradicts the books. Find out what it is, then acknowledge it."),
    notice_rules.AWAITING_APPROVAL: _l("The amount is held, and nothing is sent before somebody approves it."),
    notice_rules.OUTCOME_UNKNOWN: _l(
        "The amount stays held and the bank is asked until it is clear. Do not refund it a second time."
    ),
    notice_rules.NOT_MADE: _l("No money moved. The amount can be refunded again."),
    notice_rules.OPEN_FOR_LONG: _l("The amount stays held. Look what it waits for."),
}


def notice_meaning(what: str) -> str:
    """What that means for the money, and what to do."""
    return str(_NOTICE_MEANINGS[what])


_ROLE_NAMES: Mapping[str, LazyString] = {
    "viewer": _l("Viewer"),
    "operator": _l("Operator"),
    "approver": _l("Approver"),
    "admin": _l("Admin"),
}

# The journal's actions in a few words, but for the facts that fit no rule: those have names above.
# Who acts without an account.
_ACTORS: Mapping[str, LazyString] = {"bank": _l("bank"), "worker": _l("worker"), "nobody": _l("nobody")}

_ACTIONS: Mapping[str, LazyString] = {
    "refund:requested": _l("Refund asked for"),
    "refund:found": _l("Refund found at the bank"),
    "refund:queued": _l("Refund queued to be sent"),
    "refund:put_off": _l("Not sent yet"),
    "refund:sending": _l("Being sent to the bank"),
    "refund:unknown": _l("Outcome unknown"),
    "refund:adopted": _l("The bank has it"),
    "refund:in_progress": _l("In progress at the bank"),
    "refund:error": _l("The bank reports an error"),
    "refund:accepted": _l("Accepted by the bank"),
    "refund:declined": _l("Declined by the bank"),
    "refund:refused": _l("Refused by the bank"),
    "refund:cancelled": _l("Undone before it was sent"),
    "refund:rejected": _l("Not approved"),
    "refund:absent": _l("The bank does not have it"),
    "refund:resend_planned": _l("To be sent once more"),
    "refund:review": _l("Needs people"),
    "refund:review_over": _l("Needs nobody any more"),
    "refund:bank_amount": _l("The bank shows another amount"),
    "refund:bank_word": _l("The bank says something else now"),
    "refund:abandoned": _l("Closed as never made"),
    "refund:merged": _l("Two became one"),
    "refund:replaced": _l("Asked for again"),
    "attempt:ended": _l("A send ended"),
    "resolution:proposed": _l("Decision proposed"),
    "resolution:confirmed": _l("Decision confirmed"),
    "resolution:rejected": _l("Decision rejected"),
    "resolution:withdrawn": _l("Proposal taken back"),
    "resolution:outdated": _l("Proposal out of date"),
    "anomaly:acknowledged": _l("Fact acknowledged"),
    "session:captured": _l("Payment read from the bank"),
    "webhook:received": _l("Webhook came"),
    "webhook:applied": _l("Webhook taken in"),
    "webhook:unreadable": _l("Webhook could not be read"),
    "export:made": _l("Taken along"),
    "export:finished": _l("File written to its end"),
    "export:broken_off": _l("File broken off"),
    "sending:paused": _l("Sending paused"),
    "sending:resumed": _l("Sending resumed"),
    "limit:set": _l("Limit set"),
    "limit:removed": _l("Limit removed"),
    "installation:bank_moved": _l("Moved to another bank server or project"),
    "installation:resealed": _l("Sealed with the newest secret key"),
    "installation:restored": _l("Put back from a backup"),
    "retention:webhook_bodies": _l("Old webhooks’ texts removed"),
    "retention:sign_ins": _l("Old sign-ins removed"),
    "retention:guesses": _l("Old failed guesses removed"),
    "retention:mails": _l("Old mails removed"),
    "retention:notices": _l("Old notes of notices removed"),
    "retention:exports": _l("Old notes of files removed"),
    "mail:sent": _l("Mail sent"),
    "mail:failed": _l("Mail not sent"),
    "login:succeeded": _l("Signed in"),
    "login:failed": _l("Sign-in failed"),
    "login:factor_asked": _l("Password right, second factor asked for"),
    "login:ended": _l("Signed out"),
    "person:added": _l("Account made"),
    "person:invited": _l("Invited"),
    "person:reset_started": _l("A link to set another password was given out"),
    "person:password_set": _l("Another password was given"),
    "person:password_set_by_link": _l("Password set with a link"),
    "person:password_changed": _l("Password changed"),
    "person:password_not_changed": _l("Password not changed"),
    "person:password_hashed_anew": _l("Password stored in a newer way"),
    "person:role_changed": _l("Role changed"),
    "person:notices_chosen": _l("Notices by mail chosen"),
    "person:disabled": _l("Account disabled"),
    "person:enabled": _l("Account enabled"),
    "person:identity_bound": _l("Bound to somebody at the sign-in service"),
    "person:identity_unbound": _l("No longer bound to anybody at the sign-in service"),
    "person:signed_out": _l("Signed out everywhere"),
    "person:others_signed_out": _l("Signed out everywhere else"),
    "factor:app_added": _l("Authenticator app added"),
    "factor:app_removed": _l("Authenticator app removed"),
    "factor:passkey_added": _l("Passkey added"),
    "factor:passkey_removed": _l("Passkey removed"),
    "factor:codes_made": _l("New recovery codes made"),
    "factor:code_used": _l("Recovery code used"),
    "factor:proved": _l("Showed who they are"),
    "factor:failed": _l("Second factor not right"),
    "factor:reset_asked": _l("Reset of second factors asked for"),
    "factor:reset_withdrawn": _l("Reset of second factors taken back"),
    "factor:reset_outdated": _l("Reset of second factors out of date"),
    "factor:reset": _l("Second factors taken away"),
}


def actor(name: str) -> str:
    """Who did something, in words where it was no person."""
    return str(_ACTORS.get(name, name))


def action(code: str) -> str:
    """What the journal's action says; empty for one that is not known."""
    kind = code.removeprefix("anomaly:")
    return anomaly_name(kind) if kind in ANOMALIES and kind != code else str(_ACTIONS.get(code, ""))


def told(action: str, data: Mapping[str, Any]) -> str:
    """What was done to an account, by the journal's action and data."""
    if action == "person:password_set_by_link":
        return gettext("Password set with a link that %(person)s gave out", person=data["started_by"])
    if action == "person:role_changed":
        was, now = (_ROLE_NAMES.get(role, role) for role in (data["was"], data["now"]))
        return gettext("Role changed from %(was)s to %(now)s", was=was, now=now)
    return str(_ACTIONS.get(action, action))


_LOOK_ALIKES: Mapping[str, LazyString] = {
    look_alikes.SAME_SESSION: _l(
        "The same amount of this session was refunded lately, or is about to be: %(time)s (%(who)s). Is another one "
        "meant?"
    ),
    look_alikes.SAME_CUSTOMER: _l(
        "The same amount was refunded to this customer lately, or is about to be: session %(session)s, %(time)s "
        "(%(who)s). Is another one meant?"
    ),
    look_alikes.SAME_CARD: _l(
        "The same amount was refunded to a card with the same last digits lately, or is about to be: session "
        "%(session)s, %(time)s (%(who)s). Is another one meant?"
    ),
}


def look_alike(why: str, session_id: str, asked_by: str | None, time: str) -> str:
    """What a refund may be a second one of; `time` as it is written for people."""
    who = asked_by or gettext("made at the bank")
    return str(_LOOK_ALIKES[why]) % {"session": session_id, "time": time, "who": who}


def other_amounts(count: int, most: str) -> str:
    """How many refunds of other amounts went to such a card lately; `most`: the largest, as people read amounts."""
    return ngettext(
        "Another amount was refunded to a card with the same last digits lately, or is about to be: %(count)s refund, "
        "%(most)s. See",
        "Other amounts were refunded to a card with the same last digits lately, or are about to be: %(count)s "
        "refunds, at most %(most)s. The newest:",
        count,
        count=format_decimal(count),
        most=most,
    )


# Files of refunds


def progress(found: Progress) -> str:
    """How far a file of refunds is, and what to do where it is not whole."""
    done = format_decimal(found.done)
    if found.state == refund_exports.FINISHED:
        return ngettext(
            "The whole file is written: %(done)s refund.",
            "The whole file is written: %(done)s refunds.",
            found.done,
            done=done,
        )
    if found.state == refund_exports.BROKEN_OFF:
        return gettext("Broken off. The file is not whole: take it again. Refunds written: %(done)s.", done=done)
    if found.state == refund_exports.QUIET:
        return gettext(
            "Nothing was written for a minute. If your browser is not fetching the file any more, take it again."
            " Refunds written: %(done)s.",
            done=done,
        )
    if found.total is None:
        return gettext("Refunds written: %(done)s", done=done)
    return ngettext(
        "%(done)s of %(total)s refund written",
        "%(done)s of %(total)s refunds written",
        found.total,
        done=done,
        total=format_decimal(found.total),
    )
