"""Pictures made of figures: the pieces that the templates draw, in hundredths of a picture's height or width."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from dashboard import refund_rules
from dashboard.figures import Group, Times, amounts_of

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
MARK_HEIGHT = 4

# Where lines are drawn across a picture of durations, each about so many times the one before.
_MARKS = tuple(
    timedelta(seconds=seconds)
    for seconds in (1, 10, 60, 10 * 60, 3600, 6 * 3600, 86_400, 7 * 86_400, 30 * 86_400, 365 * 86_400)
)
_MOST_LINES = 3
# What was undone was never to be accepted.
_NOT_UNDONE = [state for state in refund_rules.STATES if state != refund_rules.CANCELLED]


@dataclass(frozen=True)
class Part:
    """A piece of a bar, from the picture's top."""

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


@dataclass(frozen=True)
class MoneyBar:
    """One day's amounts of one currency in minor units: asked for, and what of it is accepted."""

    day: date
    asked_minor: int
    accepted_minor: int
    parts: Sequence[Part]

    @property
    def percent(self) -> int | None:
        """How much of it is accepted, rounded down: 100 is all of it."""
        return percent(self.accepted_minor, self.asked_minor)


@dataclass(frozen=True)
class MoneyPicture:
    """The days of one currency. `lines`: amounts in minor units, and where they are in the picture."""

    currency: str
    bars: Sequence[MoneyBar]
    lines: Sequence[tuple[int, float]]


@dataclass(frozen=True)
class TimeBar:
    """How long the refunds of one day took, on a scale on which each step is many times the one before."""

    day: date
    times: Times | None
    parts: Sequence[Part]


@dataclass(frozen=True)
class TimePicture:
    """`lines`: durations, and where they are in the picture."""

    bars: Sequence[TimeBar]
    lines: Sequence[tuple[timedelta, float]]


def percent(part: int, whole: int) -> int | None:
    """Rounded down, so that 100 is all; None of nothing."""
    return part * 100 // whole if whole else None


# Refunds by day and status


def bars(groups_by_day: Mapping[date, Sequence[Group]]) -> list[Bar]:
    """A bar for each day, the busiest as high as the picture."""
    counts_by_day = {day: _counts(some) for day, some in groups_by_day.items()}
    highest = max((sum(counts.values()) for counts in counts_by_day.values()), default=0) or 1
    return [Bar(day, counts, _stacked(counts, highest)) for day, counts in counts_by_day.items()]


def _counts(some: Sequence[Group]) -> dict[str, int]:
    counts = dict.fromkeys(TONES, 0)
    for group in some:
        counts[_TONE_OF_STATE.get(group.state, "off")] += group.count
    return counts


def _stacked(sizes: Mapping[str, int], highest: int) -> list[Part]:
    """The pieces on each other, by their tones from the ground up."""
    parts, ground = [], float(HEIGHT)
    for tone, size in sizes.items():
        height = round(size * HEIGHT / highest, 2)
        ground = round(ground - height, 2)
        if size:
            parts.append(Part(tone, ground, height))
    return parts


# Amounts by day


def money(groups_by_day: Mapping[date, Sequence[Group]], currency: str) -> MoneyPicture:
    """A bar for each day: what was asked for in this currency and not undone, and at its foot what is accepted."""
    asked = {day: amounts_of(some, *_NOT_UNDONE).get(currency, 0) for day, some in groups_by_day.items()}
    accepted = {day: amounts_of(some, refund_rules.ACCEPTED).get(currency, 0) for day, some in groups_by_day.items()}
    highest = max(asked.values(), default=0) or 1
    shown = [
        MoneyBar(
            day, asked[day], accepted[day], _stacked({"ok": accepted[day], "rest": asked[day] - accepted[day]}, highest)
        )
        for day in groups_by_day
    ]
    return MoneyPicture(currency, shown, [(size, _top(size, highest)) for size in round_steps(highest)])


def round_steps(highest: int) -> list[int]:
    """At most three multiples of 1, 2 or 5 with noughts, up to the highest."""
    step = 10 ** max(0, math.floor(math.log10(highest)) - 1)
    factors = (1, 2, 5, 10, 20, 50)
    step *= next(factor for factor in factors if highest // (step * factor) <= _MOST_LINES)
    return list(range(step, highest + 1, step))


def _top(size: float, highest: float) -> float:
    return round(HEIGHT - size * HEIGHT / highest, 2)


# Durations by day


def durations(times_by_day: Mapping[date, Times | None]) -> TimePicture:
    """For each day a mark at its median, one at its slowest, and what joins them."""
    known = [length for times in times_by_day.values() if times for length in (times.median, times.slowest)]
    lines = _marks_around(known)
    shown = [
        TimeBar(day, times, _span(times, lines[0], lines[-1]) if times else []) for day, times in times_by_day.items()
    ]
    return TimePicture(shown, [(mark, _log_top(mark, lines[0], lines[-1])) for mark in lines])


def _marks_around(known: Sequence[timedelta]) -> list[timedelta]:
    """From the last mark below all of them to one above, leaving out some where they are many."""
    first = max((n for n, mark in enumerate(_MARKS[:-1]) if known and mark <= min(known)), default=0)
    last = min(
        (n for n, mark in enumerate(_MARKS) if n > first and known and mark >= max(known)), default=len(_MARKS) - 1
    )
    step = math.ceil((last - first) / _MOST_LINES)
    return [_MARKS[min(n, len(_MARKS) - 1)] for n in range(first, last + step, step)]


def _span(times: Times, low: timedelta, high: timedelta) -> list[Part]:
    median, slowest = _log_top(times.median, low, high), _log_top(times.slowest, low, high)
    ends = [Part(tone, _fitting(top), MARK_HEIGHT) for tone, top in (("slowest", slowest), ("median", median))]
    return [Part("span", slowest, round(median - slowest, 2)), *ends]


def _log_top(length: timedelta, low: timedelta, high: timedelta) -> float:
    floor, ceiling = _log(low), _log(high)
    return _top(min(max(_log(length), floor), ceiling) - floor, ceiling - floor)


def _log(length: timedelta) -> float:
    return math.log(max(length, _MARKS[0]).total_seconds())


def _fitting(top: float) -> float:
    """Where a mark begins whose middle would be here, without leaving the picture."""
    return round(min(max(top - MARK_HEIGHT / 2, 0), HEIGHT - MARK_HEIGHT), 2)


# Counts side by side


def widths(counts: Sequence[int]) -> list[float]:
    """How long each bar is, the largest as long as the picture is wide."""
    most = max(counts, default=0) or 1
    return [round(count * HEIGHT / most, 2) for count in counts]
