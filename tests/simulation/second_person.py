"""What has to be true of refunds that one person alone may not send.

Limits and requests are taken from the journal, what was sent from the wire and from the bank; whether a refund needs
approval is decided here anew, and what was asked for before a restore is not forgotten here.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from dashboard.replay import Replay
from dashboard.sandbox.ledger import Refund as BankRefund

A_DAY = timedelta(hours=24)
LIMITS = ("at_once_up_to_minor", "approved_up_to_minor", "alone_a_day_minor")


class WordRow(NamedTuple):
    """A refund beside a second person's word on it. `is_early`: an attempt to send it was made before that word."""

    reference: str
    state: str
    decision: str | None
    is_by_another: bool
    is_same: bool
    is_early: bool


@dataclass(frozen=True)
class Asked:
    """A refund that somebody sends alone, and what one person might send so within a day just then."""

    reference: str
    by: str
    at: datetime
    amount_minor: int
    a_day_minor: int | None


class SecondPerson:
    """Answers of the checks are what is wrong, a line each. `is_restored`: the database was put back from a backup."""

    def __init__(self) -> None:
        self.is_restored = False
        self.waited: set[str] = set()
        self.approved: set[str] = set()
        self.rejected: set[str] = set()
        self.undone: set[str] = set()
        self._most_minor: dict[str, int] = {}
        self._limits: dict[str, dict[str, int | None]] = {}
        self._alone: list[Asked] = []

    @property
    def counts(self) -> Counter[str]:
        named = {"waited": self.waited, "approved": self.approved, "rejected": self.rejected}
        named["undone while waiting or approved"] = self.waited & self.undone
        return Counter({name: len(references) for name, references in named.items()})

    def forget(self) -> None:
        """The journal is read from its beginning again."""
        self._limits, self._alone, self.is_restored = {}, [], True

    # The journal

    def take(self, action: str, subject: str, at: datetime, actor: str, text: str, told: Replay) -> list[str]:
        """Hear one entry; `told` has heard it too."""
        name, data = subject.partition(":")[2], json.loads(text)
        if action == "limit:set":
            self._limits[name] = data["now"]
        elif action == "limit:removed":
            del self._limits[name]
        elif action == "refund:queued" and data["was"] == "awaiting_approval":
            self.approved.add(name)
        elif action == "refund:rejected":
            self.rejected.add(name)
        elif action == "refund:cancelled":
            self.undone.add(name)
        elif action == "refund:requested":
            return self._weigh(name, actor, at, data, told)
        return []

    def _weigh(self, reference: str, by: str, at: datetime, data: Mapping[str, Any], told: Replay) -> list[str]:
        amount_minor, currency = data["amount_minor"], data["currency"]
        limits = self._limits.get(currency, self._limits.get("*", dict.fromkeys(LIMITS)))
        at_once, most, a_day = (limits[name] for name in LIMITS)
        if most is not None:
            self._most_minor[reference] = most
        sent_minor = sum(
            one.amount_minor
            for one in self._alone
            if one.by == by and at - one.at < A_DAY and one.reference in told.refunds
            if told.refunds[one.reference].counts and told.refunds[one.reference].currency == currency
        )
        over_once = at_once is not None and amount_minor > at_once
        over_day = a_day is not None and sent_minor + amount_minor > a_day
        if data["state"] == "awaiting_approval":
            self.waited.add(reference)
        else:
            self._alone.append(Asked(reference, by, at, amount_minor, a_day))
        wrong = []
        if most is not None and amount_minor > most:
            wrong.append(f"{reference} is of {amount_minor}, the most is {most}")
        if (data["state"] == "awaiting_approval") != (over_once or over_day):
            wrong.append(f"{reference} of {amount_minor} is {data['state']}: {limits}, {sent_minor} sent today")
        return wrong

    # The tables

    def check_tables(self, words: Iterable[WordRow], limits: Mapping[str, dict[str, int | None]]) -> list[str]:
        rows = {row.reference: row for row in words}
        wrong = [f"limits are {limits}, the journal says {self._limits}"] if limits != self._limits else []
        wrong += [f"{row.reference} waits for nobody" for row in rows.values() if row.reference not in self.waited]
        wrong += [f"{row.reference} was sent before it was approved" for row in rows.values() if row.is_early]
        for row in rows.values():
            is_good = row.is_by_another and row.is_same
            if row.decision is not None and not is_good:
                wrong.append(f"{row.reference} was {row.decision} by whoever asked, or for something else")
            if row.decision != "approved" and row.state in {"queued", "sending", "unknown"}:
                wrong.append(f"{row.reference} is {row.state}, and was not approved")
        return wrong

    # The wire and the bank

    def check_call(self, reference: str, words: Iterable[WordRow]) -> list[str]:
        """A refund call sets out."""
        if reference in self.rejected | self.undone:
            return [f"{reference} is sent, and was rejected or undone"]
        approved = {row.reference for row in words if row.decision == "approved" and row.is_by_another and row.is_same}
        return [f"{reference} is sent without approval"] if reference in self.waited - approved else []

    def check_bank(self, at_bank: Iterable[tuple[str | None, BankRefund]]) -> list[str]:
        wrong = []
        for reference, refund in at_bank:
            if reference is None:
                continue
            if reference in self.waited - self.approved:
                wrong.append(f"{reference} is at the bank without approval")
            if reference in self.rejected | self.undone:
                wrong.append(f"{reference} is at the bank, and was rejected or undone")
            if refund.amount_minor > self._most_minor.get(reference, refund.amount_minor):
                wrong.append(f"{reference} is above the highest limit")
        return wrong

    def check_days(self, live_minor: Mapping[str, int]) -> list[str]:
        """What one person sent alone within a day is at most what the limit was when they asked for the last of it.

        `live_minor`: what the bank gave back under each reference.
        """
        wrong = []
        for last in self._alone:
            before = (one for one in self._alone if one.by == last.by and timedelta(0) <= last.at - one.at < A_DAY)
            sent_minor = sum(live_minor.get(one.reference, 0) for one in before)
            if last.a_day_minor is not None and last.reference in live_minor and sent_minor > last.a_day_minor:
                wrong.append(f"{last.by} sent {sent_minor} alone within a day, not {last.a_day_minor}")
        return wrong
