"""Which tests the same process runs: journeys in two halves, since to start an installation takes as long as one."""

from xdist.scheduler import LoadScopeScheduling

JOURNEYS = "tests/journeys/"
# Files that mostly start installations of their own; the others share one demo.
WITH_THEIR_OWN = frozenset(
    {"test_account", "test_idle", "test_main_job", "test_review", "test_single_sign_on", "test_stop"}
)


class Together(LoadScopeScheduling):
    """Groups of journeys first, then one test after another, to whoever is free."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def group_of(nodeid: str) -> str:
    """The group of a test: itself, but for journeys."""
    if not nodeid.startswith(JOURNEYS):
        return nodeid
    name = nodeid.removeprefix(JOURNEYS).partition(".py")[0]
    return "journeys with their own installations" if name in WITH_THEIR_OWN else "journeys in the demo"
