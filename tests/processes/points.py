"""The points at which commands are killed, and the write transactions that have none."""

from tests.processes.dying import AFTER, BEFORE, COMMIT, REFUND, STATUS, Point


def both(command: str, what: str, place: str, under: str = "") -> list[Point]:
    return [Point(command, when, what, place, under) for when in (BEFORE, AFTER)]


# In this order: what was being sent when its worker died is given up by another only when its lease is over.
POINTS = [
    *both("worker", COMMIT, "worker.due_work"),
    *both("worker", STATUS, "sending.send"),
    *both("worker", COMMIT, "sending.send"),
    *both("worker", COMMIT, "reads.note_failed_read"),
    *both("worker", COMMIT, "sending._send_later"),
    *both("worker", STATUS, "reads.read_session"),
    *both("worker", COMMIT, "reads.read_session"),
    *both("worker", COMMIT, "webhook_inbox.apply"),
    *both("worker", COMMIT, "sending._take_answer"),
    *both("worker", REFUND, "sending._call_bank"),
    *both("web", STATUS, "reads.read_session", "refunds.request"),
    *both("web", COMMIT, "reads.read_session", "refunds.request"),
    *both("web", COMMIT, "refunds.request"),
    *both("web", COMMIT, "refunds.cancel"),
    *both("worker", COMMIT, "sending.expire_sending"),
    *both("worker", COMMIT, "worker.beat"),
    *both("web", COMMIT, "webhook_inbox.store"),
    *both("web", COMMIT, "webhook_inbox.apply"),
]
# What two people decide about a refund, and what somebody says about an odd fact.
REVIEW_POINTS = [
    *both("web", COMMIT, "anomalies.acknowledge"),
    *both("web", STATUS, "resolutions._ask_bank", "resolutions.propose"),
    *both("web", COMMIT, "resolutions._under_fresh_read", "resolutions.propose"),
    *both("web", COMMIT, "resolutions._end_undone", "resolutions.withdraw"),
    *both("web", COMMIT, "resolutions._end_undone", "resolutions.reject"),
    *both("web", STATUS, "resolutions._ask_bank", "resolutions.confirm"),
    *both("web", COMMIT, "resolutions._under_fresh_read", "resolutions.confirm"),
]
# What somebody may send alone, and what a second person says to the rest.
APPROVAL_POINTS = [
    *both("web", COMMIT, "limits.put"),
    *both("web", STATUS, "reads.read_session", "approvals.approve"),
    *both("web", COMMIT, "reads.read_session", "approvals.approve"),
    *both("web", COMMIT, "approvals.approve"),
    *both("web", COMMIT, "approvals.reject"),
    *both("web", COMMIT, "limits.remove"),
]
RESTORE_POINTS = both("db", COMMIT, "restore.after_restore")
# Write transactions that no process comes to by itself.
WITHOUT_A_POINT = {
    "sending._review_instead": "for an installation that was moved to another bank",
    "sending.pause": "one statement, by hand",
    "sending.resume": "one statement, by hand",
    "webhook_inbox._put_off": "for a defect of ours in taking a webhook in",
}
# Of accounts, their factors and sign-ins, of which bank it is, of who took something along and of what is kept for a
# time; no money hangs on them.
NO_MONEY_IN = frozenset(
    {
        "audit",
        "collector",
        "evidence",
        "factor_resets",
        "factors",
        "guessing",
        "links",
        "live_viewers",
        "mail",
        "notices",
        "open_forms",
        "own_account",
        "preferences",
        "own_bank",
        "people",
        "proving",
        "refund_counts",
        "refund_exports",
        "resealing",
        "retention",
        "saved_views",
        "sign_ins",
        "signing_in",
        "single_sign_on",
    }
)
