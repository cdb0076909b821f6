"""Guards in reading the journal back beside the tables."""

from tests.mutation.mutant import Edit, Mutant, without

REPLAY = "dashboard/replay.py"

BY_HAND = "core/test_replay.py::test_whatever_was_changed_by_hand_shows"
DECIDED_BY_HAND = "core/test_replay.py::test_a_decision_that_was_changed_by_hand_shows"


def _unseen(guard: str, otherwise: str, lines: tuple[str, ...], test: str) -> Mutant:
    """These fields of what the journal tells are not compared with their row."""
    return Mutant(guard, otherwise, tuple(Edit(REPLAY, f"    {line}\n", _uncompared(line)) for line in lines), (test,))


def _uncompared(line: str) -> str:
    declared, _, default = line.partition(" = ")
    what = f"default={default}, compare=False" if default else "compare=False"
    return f"    {declared} = field({what})\n"


_TABLES = (
    without(
        "refunds are read back",
        "a refund is edited behind the desk's back, and verify finds nothing",
        Edit(REPLAY, '    yield from _compared("refund", _refund_rows(session), replay.refunds)\n', ""),
        BY_HAND,
    ),
    without(
        "attempts are read back",
        "an attempt is edited, and verify finds nothing",
        Edit(REPLAY, '    yield from _compared("attempt", _attempt_rows(session), replay.attempts)\n', ""),
        BY_HAND,
    ),
    without(
        "captured amounts are read back",
        "somebody writes down a larger payment and refunds it",
        Edit(
            REPLAY,
            '    yield from _compared("captured amount of session", _captured_rows(session), replay.captured_minor)\n',
            "",
        ),
        BY_HAND,
    ),
    without(
        "committed amounts are read back",
        "somebody frees what is held, and it is paid twice",
        Edit(
            REPLAY,
            'yield from _compared("committed amount of session", _committed_rows(session), replay.committed_minor())',
            "pass",
        ),
        BY_HAND,
    ),
    without(
        "facts that fit no rule are read back",
        "a warning is taken out, and verify finds nothing",
        Edit(REPLAY, '    yield from _compared("anomaly", _anomaly_rows(session), replay.anomalies)\n', ""),
        BY_HAND,
    ),
    without(
        "who has looked at such a fact is read back",
        "a warning is put out of sight, and verify finds nothing",
        Edit(REPLAY, "        elif told[key] != row:\n", '        elif told[key] != row and what != "anomaly":\n'),
        DECIDED_BY_HAND,
    ),
    without(
        "how an attempt ended is read back",
        "what may have reached the bank is made to have never left",
        Edit(REPLAY, "        elif told[key] != row:\n", '        elif told[key] != row and what != "attempt":\n'),
        BY_HAND,
    ),
    without(
        "decisions are read back",
        "one person makes it look as if two had decided",
        Edit(REPLAY, '    yield from _compared("resolution", _resolution_rows(session), replay.resolutions)\n', ""),
        DECIDED_BY_HAND,
    ),
    without(
        "a pause is read back",
        "sending is stopped behind the desk's back, and verify finds nothing",
        Edit(REPLAY, "    if paused != replay.is_paused:\n", "    if False:\n"),
        BY_HAND,
    ),
    without(
        "what the journal does not tell of is named",
        "a row is put in by hand, and verify finds nothing",
        Edit(
            REPLAY,
            "        if key not in told:\n            yield ",
            "        if key not in told:\n            continue\n            yield ",
        ),
        BY_HAND,
    ),
    without(
        "what is gone from the tables is named",
        "a row is taken out, and verify finds nothing",
        Edit(REPLAY, "for key in sorted(left))", "for key in ())"),
        BY_HAND,
    ),
)

_REFUNDS = (
    _unseen(
        "a refund's place is read back",
        "it is moved to another session, or called one of the bank's",
        ("session_id: str", "origin: str"),
        BY_HAND,
    ),
    _unseen("a refund's state is read back", "a refund that was declined is called accepted", ("state: str",), BY_HAND),
    _unseen(
        "a refund's amount is read back",
        "more goes back than was asked for",
        ("amount_minor: int", "currency: str"),
        BY_HAND,
    ),
    _unseen(
        "a bank id is read back", "another bank refund is passed off as ours", ("bank_id: str | None = None",), BY_HAND
    ),
    _unseen(
        "the bank's amount is read back",
        "less is held than the bank has paid back",
        ("bank_amount_minor: int | None = None", "bank_currency: str | None = None"),
        BY_HAND,
    ),
    _unseen("a review is read back", "one person takes a refund out of the queue", ('review: str = ""',), BY_HAND),
    _unseen(
        "whether a refund counts is read back",
        "somebody frees what it holds, and it is paid twice",
        ("contradicted: bool = False", "counts: bool = True"),
        BY_HAND,
    ),
    _unseen(
        "what a refund replaces is read back",
        "one refund is paid and replaced, and nobody sees that they belong together",
        ("replaces: str | None = None",),
        DECIDED_BY_HAND,
    ),
    _unseen(
        "why a refund was asked for is read back",
        "the reason is another one afterwards",
        ('reason: str = ""', 'comment: str = ""'),
        BY_HAND,
    ),
    _unseen(
        "the bytes to be sent are read back",
        "another amount is sent than was asked for",
        ("body_digest: str | None = None",),
        BY_HAND,
    ),
)

_RESOLUTIONS = (
    _unseen(
        "what was decided is read back",
        "two people are made to have said something else",
        ("reference: str", "choice: str", "bank_id: str | None", "strangers: str"),
        DECIDED_BY_HAND,
    ),
    _unseen(
        "who decided is read back",
        "somebody else is made to have decided",
        ("proposed_by: str", "decided_by: str | None = None"),
        DECIDED_BY_HAND,
    ),
    _unseen(
        "how a decision ended is read back",
        "what was rejected is made to have been confirmed",
        ("state: str = PROPOSED",),
        DECIDED_BY_HAND,
    ),
)

MUTANTS = (*_TABLES, *_REFUNDS, *_RESOLUTIONS)
