"""Guards of the journal's way out: without a gap, in order, and to nobody else."""

from tests.mutation.mutant import Edit, without

COLLECTOR = "dashboard/collector.py"
FILE = "dashboard/journal_file.py"
TESTS = "core/test_collector.py"

MUTANTS = (
    without(
        "the cursor moves on only after the collector took it",
        "entries are missing in the log system, and nobody notices",
        Edit(
            COLLECTOR,
            "        _put_off(books, turn, str(problem))\n        return False\n",
            "        _put_off(books, turn, str(problem))\n",
        ),
        f"{TESTS}::test_what_it_does_not_take_is_sent_again",
    ),
    without(
        "only a good answer means that it was taken",
        "a proxy's page of errors counts as taken, and entries are missing",
        Edit(COLLECTOR, "    if not 200 <= status < 300:\n", "    if status >= 500:\n"),
        f"{TESTS}::test_what_it_does_not_take_is_sent_again",
        f"{TESTS}::test_a_redirect_is_not_followed",
    ),
    without(
        "one worker at a time sends the journal on",
        "every worker sends every entry, and they arrive out of order",
        Edit(COLLECTOR, "        cursor.next_try_at = now + CLAIM\n", "        cursor.next_try_at = now\n"),
        f"{TESTS}::test_of_many_workers_one_sends_each_batch",
        f"{TESTS}::test_a_worker_that_dies_before_it_notes_that_a_batch_was_taken_sends_it_again",
    ),
    without(
        "a worker whose turn is over takes nothing back",
        "the cursor falls behind what was sent, and entries come a third time",
        Edit(COLLECTOR, "        if (cursor.seq, cursor.hash) != (turn.seq, turn.hash):\n", "        if False:\n"),
        f"{TESTS}::test_a_worker_that_was_slow_takes_nothing_back",
    ),
    without(
        "a cursor counts only in the journal that it was made in",
        "whoever moves it keeps what they did from the log system",
        Edit(COLLECTOR, "    if cursor.seq and found != cursor.hash:\n", "    if False:\n"),
        f"{TESTS}::test_a_cursor_of_another_journal_counts_for_nothing",
    ),
    without(
        "a collector proves itself by its own authority",
        "whoever is in between reads the journal and has the token",
        Edit(COLLECTOR, "ca_file=_text(config.collector_ca_file), ", ""),
        f"{TESTS}::test_a_collector_that_nobody_vouches_for_gets_nothing",
    ),
    without(
        "a gap in what was collected shows",
        "entries taken out of the log system are not missed",
        Edit(FILE, "        if entry.seq != found.last + 1:\n", "        if False:\n"),
        f"{TESTS}::test_whatever_is_wrong_with_it_shows",
    ),
    without(
        "two entries of one number show",
        "a journal that was put back and goes on otherwise looks like one",
        Edit(
            FILE,
            "        if self.hashes[place : place + _HASH_BYTES] != bytes.fromhex(entry.hash):\n",
            "        if False:\n",
        ),
        f"{TESTS}::test_two_entries_of_one_number_show",
    ),
)
