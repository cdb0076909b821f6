"""Guards in the database and in the journal."""

from tests.mutation.mutant import POSTGRESQL, Edit, without

DB = "dashboard/db.py"
JOURNAL = "dashboard/journal.py"
LEDGER = "dashboard/ledger.py"
SNAPSHOTS_PY = "dashboard/snapshots.py"
INBOX_PY = "dashboard/webhook_inbox.py"
FIRST_SHAPE = "dashboard/migrations/versions/0001_start.py"

ORDER = "core/test_db.py::test_locks_are_taken_in_one_order"
TEST_DB = "core/test_db.py"
TEST_JOURNAL = "core/test_journal.py"

_WRITE_SESSION = (
    without(
        "a writer begins IMMEDIATE",
        "two writers decide on the same stale balance",
        Edit(DB, '"BEGIN IMMEDIATE" if write else "BEGIN"', '"BEGIN"'),
        f"{TEST_DB}::test_a_sqlite_writer_has_the_write_lock_from_its_first_statement",
    ),
    without(
        "a reader cannot write, on SQLite",
        "a write that forgot its lock decides on what was there a while ago",
        Edit(DB, "PRAGMA query_only = {0 if write else 1}", "PRAGMA query_only = 0"),
        f"{TEST_DB}::test_a_write_in_a_read_transaction_fails",
    ),
    without(
        "a reader cannot write, on PostgreSQL",
        "a write that forgot its lock decides on what was there a while ago",
        Edit(DB, 'connection.exec_driver_sql("SET TRANSACTION READ ONLY")', "pass"),
        f"{TEST_DB}::test_a_write_in_a_read_transaction_fails",
        database=POSTGRESQL,
    ),
    without(
        "an upgrade is one transaction",
        "two hosts that start together upgrade through each other, and neither is whole",
        Edit(
            "dashboard/migrations/env.py", "with engine.begin() as connection:", "with engine.connect() as connection:"
        ),
        "core/test_migrations.py::test_an_upgrade_that_breaks_off_leaves_nothing_behind",
    ),
    without(
        "a commit is on the disk, on SQLite",
        "the power fails, and the attempt that was sent is gone",
        Edit(DB, '"synchronous = FULL"', '"synchronous = NORMAL"'),
        f"{TEST_DB}::test_sqlite_is_set_up_for_money",
    ),
    without(
        "a commit is on the disk, on PostgreSQL",
        "the power fails, and the attempt that was sent is gone",
        Edit(DB, "-c synchronous_commit=on", "-c synchronous_commit=off"),
        f"{TEST_DB}::test_postgresql_is_set_up_for_money",
        database=POSTGRESQL,
    ),
)

_LOCKS = (
    without(
        "the session's row is locked",
        "two writers decide at once, and one of them is forgotten",
        Edit(
            LEDGER,
            "    .with_for_update(key_share=True)\n    .execution_options",
            "    .execution_options",
        ),
        f"{TEST_DB}::test_whoever_decides_about_a_session_has_it_locked",
        f"{TEST_DB}::test_a_writer_decides_on_what_the_one_before_it_left",
        database=POSTGRESQL,
    ),
    without(
        "a session's refunds are locked",
        "a worker claims what is being undone at this moment",
        Edit(LEDGER, ".order_by(Refund.id)\n    .with_for_update()", ".order_by(Refund.id)"),
        "core/test_worker.py::test_a_claim_skips_what_a_verb_is_at_work_on",
        database=POSTGRESQL,
    ),
    without(
        "whoever knows a reference locks its session",
        "a refund is undone while it sets out",
        Edit(
            LEDGER,
            "session = lock_session(tx, session_id) if session_id else None",
            "session = tx.get(PaymentSession, session_id) if session_id else None",
        ),
        f"{TEST_DB}::test_whoever_decides_about_a_session_has_it_locked",
        database=POSTGRESQL,
    ),
    without(
        "a snapshot is merged under the session's lock",
        "a read and a webhook at once, and one of them is forgotten",
        Edit(
            SNAPSHOTS_PY,
            "known = ledger.lock_session(tx, snapshot.id)",
            "known = tx.get(PaymentSession, snapshot.id)",
        ),
        f"{TEST_DB}::test_whoever_decides_about_a_session_has_it_locked",
        database=POSTGRESQL,
    ),
    without(
        "a session that was waited for is read again",
        "a verb decides on what was there before it waited",
        Edit(
            LEDGER,
            ".with_for_update(key_share=True)\n    .execution_options(populate_existing=True)",
            ".with_for_update(key_share=True)",
        ),
        f"{TEST_DB}::test_a_row_read_before_it_was_locked_is_read_again",
        database=POSTGRESQL,
    ),
    without(
        "refunds that were waited for are read again",
        "a verb decides on the state that a refund had before it waited",
        Edit(
            LEDGER,
            ".order_by(Refund.id)\n    .with_for_update()\n    .execution_options(populate_existing=True)",
            ".order_by(Refund.id)\n    .with_for_update()",
        ),
        f"{TEST_DB}::test_refunds_and_attempts_read_before_they_were_locked_are_read_again",
        database=POSTGRESQL,
    ),
    without(
        "attempts that were waited for are read again",
        "an attempt's answer is not seen",
        Edit(
            LEDGER,
            ".order_by(Attempt.id)\n    .with_for_update()\n    .execution_options(populate_existing=True)",
            ".order_by(Attempt.id)\n    .with_for_update()",
        ),
        f"{TEST_DB}::test_refunds_and_attempts_read_before_they_were_locked_are_read_again",
        database=POSTGRESQL,
    ),
    without(
        "lock order: the session before its refunds, in verbs",
        "two wait for each other, and one of them fails",
        Edit(
            LEDGER,
            "    session = lock_session(tx, session_id) if session_id else None\n",
            '    refunds_of(tx, session_id or "")\n'
            "    session = lock_session(tx, session_id) if session_id else None\n",
        ),
        ORDER,
        database=POSTGRESQL,
    ),
    without(
        "lock order: the session before its refunds, in merges",
        "two wait for each other, and one of them fails",
        Edit(
            SNAPSHOTS_PY,
            "    known = ledger.lock_session(tx, snapshot.id)\n",
            "    ledger.refunds_of(tx, snapshot.id)\n    known = ledger.lock_session(tx, snapshot.id)\n",
        ),
        ORDER,
        database=POSTGRESQL,
    ),
    without(
        "lock order: the inbox row before the session",
        "two wait for each other, and one of them fails",
        Edit(
            INBOX_PY,
            "    delivery = _locked(tx, WebhookDelivery.id == delivery_id)\n    delivery.next_try_at = None\n",
            '    told = read_json(tx.get_one(WebhookDelivery, delivery_id).body or b"")\n'
            '    ledger.lock_session(tx, told["session"]["id"])\n'
            "    delivery = _locked(tx, WebhookDelivery.id == delivery_id)\n    delivery.next_try_at = None\n",
        ),
        f"{TEST_DB}::test_a_delivery_is_locked_before_its_session",
        database=POSTGRESQL,
    ),
    without(
        "lock order: the journal's head last",
        "whoever has something to record holds up all others until it is done",
        Edit(
            JOURNAL,
            "        self.events.append(Event(actor, action, subject, data))",
            "        self.execute(select(JournalHead).with_for_update())\n"
            "        self.events.append(Event(actor, action, subject, data))",
        ),
        f"{TEST_JOURNAL}::test_the_head_is_locked_last",
        database=POSTGRESQL,
    ),
    without(
        "the journal's head is locked",
        "of two entries at once one is lost, and its transaction with it",
        Edit(
            JOURNAL,
            "select(JournalHead.seq, JournalHead.hash).with_for_update()",
            "select(JournalHead.seq, JournalHead.hash)",
        ),
        f"{TEST_JOURNAL}::test_writers_at_once_make_one_chain",
        database=POSTGRESQL,
    ),
)

_CHAIN = (
    without(
        "what is recorded is appended",
        "a refund changes, and nobody can say who did it",
        Edit(
            JOURNAL,
            "    if not session.events:\n        return\n",
            "    if session.events or not session.events:\n        return\n",
        ),
        f"{TEST_JOURNAL}::test_entries_are_numbered_without_gaps_and_chained",
    ),
    without(
        "an entry is hashed as it stands",
        "an entry is edited, and verify finds nothing",
        Edit(
            JOURNAL,
            "if entry.prev_hash != hash_before or not is_as_written(entry, key):",
            "if entry.prev_hash != hash_before:",
        ),
        f"{TEST_JOURNAL}::test_any_edit_is_seen",
    ),
    without(
        "an entry is hashed with the hash before it",
        "an entry of an older backup takes the place of another, and verify finds nothing",
        Edit(JOURNAL, "canonical([prev_hash, *texts])", "canonical([*texts])"),
        f"{TEST_JOURNAL}::test_an_entry_of_another_history_is_seen",
    ),
    without(
        "the chain needs the key",
        "whoever has the database writes a journal of their own",
        Edit(JOURNAL, 'hmac.new(key.encode(), text.encode(), "sha256")', 'hmac.new(b"-", text.encode(), "sha256")'),
        f"{TEST_JOURNAL}::test_another_key_does_not_fit",
    ),
    without(
        "the head is sealed",
        "the tail is cut off, and verify finds nothing",
        Edit(JOURNAL, " or not hmac.compare_digest(head.seal, _seal(key, seq, last_hash)):", ":"),
        f"{TEST_JOURNAL}::test_a_cut_tail_is_seen_with_the_head_set_back",
    ),
    without(
        "no entry is missing",
        "entries are taken out, and verify finds nothing",
        Edit(JOURNAL, "    if head.seq > seq:\n", "    if False:\n"),
        f"{TEST_JOURNAL}::test_a_removed_entry_is_seen",
    ),
    without(
        "a head noted outside has to be there",
        "the whole database is set back, and verify finds nothing",
        Edit(JOURNAL, "met = expect is None or expect == (0, GENESIS)", "met = True"),
        f"{TEST_JOURNAL}::test_an_old_head_put_back_with_its_seal_is_seen_against_a_head_noted_outside",
    ),
)

_TRIGGERS = (
    without(
        "SQLite refuses to change an entry",
        "a slip of the hand rewrites the record",
        Edit(FIRST_SHAPE, 'for verb in ("UPDATE", "DELETE"):', 'for verb in ("DELETE",):'),
        f"{TEST_JOURNAL}::test_the_database_refuses_to_rewrite",
    ),
    without(
        "SQLite refuses to remove an entry",
        "a slip of the hand empties the record",
        Edit(FIRST_SHAPE, 'for verb in ("UPDATE", "DELETE"):', 'for verb in ("UPDATE",):'),
        f"{TEST_JOURNAL}::test_the_database_refuses_to_rewrite",
    ),
    without(
        "SQLite refuses to replace an entry",
        "REPLACE rewrites the record past the other triggers",
        Edit(FIRST_SHAPE, '"WHEN EXISTS (SELECT 1 FROM journal WHERE seq = NEW.seq) "', '"WHEN 0 "'),
        f"{TEST_JOURNAL}::test_sqlite_refuses_its_own_ways_too",
    ),
    without(
        "PostgreSQL refuses to change or remove an entry",
        "a slip of the hand rewrites the record",
        Edit(FIRST_SHAPE, "BEFORE UPDATE OR DELETE OR TRUNCATE ON journal", "BEFORE TRUNCATE ON journal"),
        f"{TEST_JOURNAL}::test_the_database_refuses_to_rewrite",
        database=POSTGRESQL,
    ),
    without(
        "PostgreSQL refuses to empty the journal",
        "one word empties the record",
        Edit(FIRST_SHAPE, "BEFORE UPDATE OR DELETE OR TRUNCATE ON journal", "BEFORE UPDATE OR DELETE ON journal"),
        f"{TEST_JOURNAL}::test_postgresql_refuses_its_own_ways_too",
        database=POSTGRESQL,
    ),
)

MUTANTS = (*_WRITE_SESSION, *_LOCKS, *_CHAIN, *_TRIGGERS)
