"""What goes wrong in one run: the seed's number picks a cell of the coverage table, chance does the rest."""

import random
from collections import Counter
from dataclasses import dataclass, field

NONE = "none"

# Where a process can die. Commits are counted within a task: `send: commit 1 after` is right after the attempt was
# committed, `send: refund call after` when the bank has carried it out and its answer has not been taken in.
CRASH_POINTS = (
    NONE,
    *(f"ask: {what} {when}" for what in ("status call", "commit 1", "commit 2") for when in ("before", "after")),
    *(
        f"send: {what} {when}"
        for what in ("status call", "commit 1", "refund call", "commit 2")
        for when in ("before", "after")
    ),
    *(f"read: {what} {when}" for what in ("status call", "commit 1") for when in ("before", "after")),
    *(
        f"{task}: commit 1 {when}"
        for task in (
            *("claim", "expire", "store", "apply", "cancel"),
            *("propose", "confirm", "reject", "withdraw", "acknowledge"),
        )
        for when in ("before", "after")
    ),
)

# Where it can die besides, in runs with limits. These are no lines of the table: its seeds keep their meaning.
APPROVAL_CRASH_POINTS = (
    *(f"approve: {what} {when}" for what in ("status call", "commit 1", "commit 2") for when in ("before", "after")),
    *(f"{task}: commit 1 {when}" for task in ("turn down", "set limits") for when in ("before", "after")),
)
# Two seeds of seven have limits, in every cell of the table; those kept from before are not among them.
LIMITED, OF = (4, 6), 7

NEVER_REACHED = "never reached"
REQUEST_LOST = "request lost"
ANSWER_LOST = "answer lost"
REQUEST_LATE = "request late"
REQUEST_TWICE = "request twice"
CUT_SHORT = "cut short"
HTML = "html"
HTTP_500 = "http 500"
KEY_EXISTS = "key exists"
# Within what is promised this never bites: a second send goes out only where the first left nothing behind.
KEY_FORGOTTEN = "key forgotten"
SAID_NO = "said no"
KEYS_WRONG = "keys wrong"
STALE_READ = "stale read"
NOT_ALL_SHOWN = "payments not shown"
ANSWER_FAULTS = (
    NONE,
    NEVER_REACHED,
    REQUEST_LOST,
    ANSWER_LOST,
    REQUEST_LATE,
    REQUEST_TWICE,
    CUT_SHORT,
    HTML,
    HTTP_500,
    KEY_EXISTS,
    KEY_FORGOTTEN,
    SAID_NO,
    KEYS_WRONG,
    STALE_READ,
    NOT_ALL_SHOWN,
)
# These befall reads alone.
OF_READS = frozenset({STALE_READ, NOT_ALL_SHOWN})

LOST = "lost"
EARLY = "early"
TWICE = "twice"
REVERSED = "reversed"
FORGED = "forged"
REPLAYED = "replayed a day later"
LATE = "late"
WEBHOOK_FAULTS = (NONE, LOST, EARLY, TWICE, REVERSED, FORGED, REPLAYED, LATE)

# What the database does to a commit: it fails, or it is made and the word of it is lost.
COMMIT_FAILS = "commit fails"
COMMIT_WORD_LOST = "commit's word lost"

CHARGEBACK = "chargeback"
MADE_ELSEWHERE = "made elsewhere"
CONTRADICTED = "contradicted"
HIDDEN = "hidden from now on"
OUTSIDE_FACTS = (CHARGEBACK, MADE_ELSEWHERE, CONTRADICTED, HIDDEN)

# What befalls the installation itself.
RESTORED = "put back from a backup"
POINTED_ELSEWHERE = "a process points to another bank"

ECHOES = ("object", "string", "nothing")

# What reviewers go by: the bank itself, what their page shows, or nothing.
BANK = "the bank"
PAGE = "the page"
GUESS = "a guess"

CELLS = len(CRASH_POINTS) * len(ANSWER_FAULTS) * len(WEBHOOK_FAULTS)
Cell = tuple[str, str, str]


def cell_of(seed: int) -> Cell:
    """The cell of the coverage table that a seed aims at; every CELLS seeds in a row aim at all of them."""
    rest, webhook = divmod(seed % CELLS, len(WEBHOOK_FAULTS))
    crash, answer = divmod(rest, len(ANSWER_FAULTS))
    return CRASH_POINTS[crash], ANSWER_FAULTS[answer], WEBHOOK_FAULTS[webhook]


@dataclass
class Plan:
    """The faults of one run. `happened` counts what was injected, by kind.

    `beyond`: also what the protocol cannot promise anything about, a bank that forgets keys and carries out a request
    after the quiet period.
    """

    seed: int
    beyond: bool = False
    happened: Counter[str] = field(default_factory=Counter)
    crashes: set[str] = field(default_factory=set)
    answers: set[str] = field(default_factory=set)
    webhooks: set[str] = field(default_factory=set)
    happened_to_approvals: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        chance = random.Random(f"plan {self.seed}")
        crash, answer, webhook = cell_of(self.seed)
        self.chance = chance
        self.echo = chance.choices(ECHOES, (6, 2, 2))[0]
        self.crash_at = {crash: chance.choice((1, 1, 1, 2))} if crash != NONE else {}
        self._crash_rate = 0.02 if crash != NONE and chance.random() < 0.5 else 0.0
        self._answer_first = [answer] if answer != NONE else []
        self._answer_kinds = _some(chance, ANSWER_FAULTS[1:]) if answer != NONE else ()
        # What a proof of absence has to stand: a request that comes at the last moment, then answers that lag behind.
        self._lags = answer in OF_READS and chance.random() < 0.6
        self._lag = answer
        # A bank that takes no notice of keys at all: the desk's own care has to do.
        self.forgets_keys = answer != NONE and chance.random() < 0.3
        self._webhook_first = [webhook] if webhook != NONE else []
        self._webhook_kinds = _some(chance, WEBHOOK_FAULTS[1:]) if webhook != NONE else ()
        self.decides_at_once = webhook == EARLY
        self.decides_in_steps = webhook == REVERSED
        self.wants_cancel = crash.startswith("cancel")
        if crash.startswith("expire"):
            self.crash_at["send: refund call after"] = 1
        self.commit_trouble = chance.random() < 0.15
        self.outside = _some(chance, OUTSIDE_FACTS) if chance.random() < 0.3 else ()
        self._aims_at = crash.partition(":")[0]
        if self._aims_at in {"propose", "confirm", "reject", "withdraw", "acknowledge"}:
            self.outside = (*self.outside, CONTRADICTED)
        self.most_crashes = 4
        self.reviewers_go_by = chance.choices((BANK, PAGE, GUESS), (7, 2, 1))[0]
        self.is_restored = chance.random() < 0.1
        self.points_elsewhere = chance.random() < 0.05
        self._wavers = chance.random() < 0.3
        self._plan_approvals()

    def _plan_approvals(self) -> None:
        """From a stream of their own: a run without limits is what it was before there were any.

        Beyond what is promised the bank alone is looked at.
        """
        self.has_limits = self.approvers_err = self.seed % OF in LIMITED and not self.beyond
        self.approvals = random.Random(f"approvals {self.seed}")
        if self.has_limits and self.approvals.random() < 0.5:
            self.crash_at[self.approvals.choice(APPROVAL_CRASH_POINTS)] = 1

    @property
    def cells(self) -> list[Cell]:
        """The cells that this run has filled: whatever was injected of each kind, in one and the same run."""
        return [
            (crash, answer, webhook)
            for crash in self.crashes - set(APPROVAL_CRASH_POINTS) or {NONE}
            for answer in self.answers or {NONE}
            for webhook in self.webhooks or {NONE}
        ]

    # Asked where things can go wrong

    def dies_at(self, point: str) -> bool:
        """Whether the process dies at this point."""
        if self.most_crashes == 0:
            return False
        left = self.crash_at.get(point)
        if left is not None:
            self.crash_at[point] = left - 1
        if left == 1 or (self._crash_rate and self.chance.random() < self._crash_rate):
            self.most_crashes -= 1
            self.crashes.add(point)
            self.happened["crash"] += 1
            if point in APPROVAL_CRASH_POINTS:
                self.happened_to_approvals[f"crash: {point}"] += 1
            return True
        return False

    def commit_fault(self) -> str:
        if not self.commit_trouble or self.chance.random() > 0.04:
            return NONE
        kind = self.chance.choice((COMMIT_FAILS, COMMIT_WORD_LOST))
        self.happened[kind] += 1
        return kind

    def answer_fault(self, method: str) -> str:
        """What becomes of the next call. The kind that the seed aims at befalls the first refund, or the first read."""
        is_refund = method == "session/refund"
        if self._lags:
            return REQUEST_LATE if is_refund else self._lag if self.chance.random() < 0.5 else NONE
        if self._answer_first and not is_refund and self._answer_first[0] in OF_READS - self.answers:
            return self._answer_first[0] if self.chance.random() < 0.5 else NONE
        if self._answer_first and is_refund and self._answer_first[0] not in OF_READS:
            return self._answer_first.pop()
        if self._answer_kinds and self.chance.random() < (0.5 if is_refund else 0.06):
            kind = self.chance.choice(self._answer_kinds)
            return kind if _fits(kind, method) else NONE
        return NONE

    def webhook_fault(self) -> str:
        """What becomes of the next webhook."""
        if self._webhook_first and (self.decides_in_steps or self.chance.random() < 0.7):
            return self._webhook_first[0]
        if self._webhook_kinds and self.chance.random() < 0.3:
            return self.chance.choice(self._webhook_kinds)
        return NONE

    def second_thoughts(self) -> str:
        """What becomes of a proposal instead of a confirmation: `reject`, `withdraw`, or NONE."""
        if self._aims_at in {"reject", "withdraw"}:
            return self._aims_at
        if self._wavers and self.chance.random() < 0.4:
            return self.chance.choice(("reject", "withdraw"))
        return NONE

    def note_answer(self, kind: str) -> None:
        self.answers.add(kind)
        self.happened[f"answer: {kind}"] += 1

    def note_webhook(self, kind: str) -> None:
        self.webhooks.add(kind)
        self.happened[f"webhook: {kind}"] += 1

    def stop(self) -> None:
        """From now on nothing goes wrong any more."""
        self.crash_at, self._crash_rate, self.commit_trouble = {}, 0.0, False
        self._answer_first, self._answer_kinds, self._lags = [], (), False
        self._webhook_first, self._webhook_kinds = [], ()
        self.outside, self._wavers, self._aims_at = (), False, ""
        self.reviewers_go_by = BANK
        self.approvers_err = False


def _some(chance: random.Random, kinds: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(kind for kind in kinds if chance.random() < 0.25)


def _fits(kind: str, method: str) -> bool:
    if method == "session/refund":
        return kind not in OF_READS
    return kind in {*OF_READS, NEVER_REACHED, ANSWER_LOST, CUT_SHORT, HTML, HTTP_500, KEYS_WRONG}
