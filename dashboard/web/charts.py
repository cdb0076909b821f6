"""Pictures made of figures: what the templates need to draw them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from dashboard import refund_rules
from dashboard.history import Sum

# From the ground up; the colours are those of the statuses.
TONES = ("ok", "run", "wait", "odd", "bad", "off")
_TONE_OF_STATE = {
    **dict.fromkeys((refund_rules.AWAITING_APPROVAL, refund_rules.QUEUED), "wait"),
    **dict.fromkeys((refund_rules.SENDING, refund_rules.IN_PROGRESS), "run"),
    **dict.fromkeys((refund_rules.UNKNOWN, refund_rules.ERROR), "odd"),
    **dict.fromkeys((refund_rules.DECLINED, refund_rules.REFUSED), "bad"),
    refund_rules.ACCEPTED: "ok",
}
HEIGHT = 100


@dataclass(frozen=True)
class Part:
    """A piece of a bar, in hundredths of the picture's height from its top."""

    tone: str
    top: float
    height: float


@dataclass(frozen=True)
class Bar:
    """The refunds of one day: how many of each tone, and the pieces that show it."""

    day: date
    counts: Mapping[str, int]
    parts: Sequence[Part]

    @property
    def total(self) -> int:
        return sum(self.counts.values())


def bars(sums_by_day: Mapping[date, Sequence[Sum]]) -> list[Bar]:
    """A bar for each day, the busiest as high as the picture."""
    counts_by_day = {day: _counts(sums) for day, sums in sums_by_day.items()}
    highest = max((sum(counts.values()) for counts in counts_by_day.values()), default=0) or 1
    return [Bar(day, counts, _parts(counts, highest)) for day, counts in counts_by_day.items()]


def _counts(sums: Sequence[Sum]) -> dict[str, int]:
    counts = dict.fromkeys(TONES, 0)
    for each in sums:
        counts[_TONE_OF_STATE.get(each.state, "off")] += each.count
    return counts


def _parts(counts: Mapping[str, int], highest: int) -> list[Part]:
    parts, ground = [], float(HEIGHT)
    for tone, count in counts.items():
        height = round(count * HEIGHT / highest, 2)
        ground = round(ground - height, 2)
        if count:
            parts.append(Part(tone, ground, height))
    return parts
