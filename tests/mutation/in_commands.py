"""Guards around what is done by hand: commands, the database they work on, and accounts."""

from tests.mutation.mutant import POSTGRESQL, Edit, without

BANK = "dashboard/commands/bank.py"
OPENING = "dashboard/commands/opening.py"
RESTORED = "dashboard/commands/db_restored.py"
DB = "dashboard/db.py"
DEMO = "dashboard/demo.py"
DOCTOR = "dashboard/doctor.py"
PEOPLE = "dashboard/people.py"

COMMANDS = "core/test_commands.py"
ACCOUNTS = "core/test_people.py"

_BACKUPS = (
    without(
        "a damaged file is no backup",
        "the desk goes on with a file that SQLite itself finds broken",
        Edit(
            RESTORED, "    if problem is not None:\n        fail(f\"SQLite's", "    if False:\n        fail(f\"SQLite's"
        ),
        f"{COMMANDS}::test_a_backup_that_is_not_sound_is_refused_before_anything_is_written",
    ),
    without(
        "a backup whose journal or tables do not fit is none",
        "old changes left by a killed process are mixed into the backup, and money is paid by wrong sums",
        Edit(RESTORED, "    if found and not as_it_is:\n", "    if False:\n"),
        f"{COMMANDS}::test_a_backup_that_is_not_sound_is_refused_before_anything_is_written",
        f"{COMMANDS}::test_a_log_that_spoils_the_backup_is_refused",
    ),
    without(
        "changes left beside the backup are told of",
        "a killed process undoes the restore, and nobody notices",
        Edit(DB, "    return str(wal) if wal.exists() and wal.stat().st_size else None", "    return None"),
        f"{COMMANDS}::test_a_log_that_undoes_the_restore_is_told_of",
    ),
    without(
        "nothing is put back beside a worker",
        "a worker sends from the database that is being declared restored",
        Edit(RESTORED, "    check_stopped(books)\n    examined", "    examined"),
        f"{COMMANDS}::test_nothing_is_put_back_or_moved_beside_a_worker",
    ),
    without(
        "no bank is moved beside a worker",
        "a worker that was forgotten goes on while the books change their bank",
        Edit(BANK, "        check_stopped(books)\n        try:\n", "        try:\n"),
        f"{COMMANDS}::test_nothing_is_put_back_or_moved_beside_a_worker",
    ),
    without(
        "a sign of life from far ahead is none",
        "a clock that was wrong once keeps a backup from being declared for hours",
        Edit("dashboard/health.py", "min((abs(now - at) for", "min((now - at for"),
        f"{COMMANDS}::test_nothing_is_put_back_or_moved_beside_a_worker",
    ),
)

_RIGHT_DATABASE = (
    without(
        "only an upgrade makes a file",
        "sending is paused in a new empty file, and the real desk goes on",
        Edit(OPENING, "file = None if may_be_new else db.missing_file(engine)", "file = None"),
        f"{COMMANDS}::test_only_an_upgrade_makes_a_file",
    ),
    without(
        "a check makes no file",
        "a check in the wrong folder leaves an empty database for the next command",
        Edit(DOCTOR, "file = db.missing_file(engine)", "file = None"),
        f"{COMMANDS}::test_only_an_upgrade_makes_a_file",
    ),
    without(
        "a database without a worker is doubted",
        "sending is paused in a copy, and the real desk goes on",
        Edit(OPENING, "    elif age >= health.ALIVE_FOR:\n", "    elif False:\n"),
        f"{COMMANDS}::test_a_database_without_a_worker_may_be_the_wrong_one",
    ),
    without(
        "no password is in a database's name",
        "the database's password stands in a terminal's log",
        Edit(DB, "hide_password=True", "hide_password=False"),
        f"{COMMANDS}::test_no_password_is_in_a_database_s_name",
    ),
    without(
        "the demo's settings are for its owner alone",
        "another user of the machine signs cookies of the demo",
        Edit(DEMO, "    file.chmod(0o600)\n", ""),
        "journeys/test_settings_file.py::test_every_value_comes_through_a_shell_as_it_is",
    ),
    without(
        "settings come through a shell as they are",
        "a value runs as a command of the shell",
        Edit(DEMO, "={shlex.quote(settings[name])}", "={settings[name]}"),
        "journeys/test_settings_file.py::test_every_value_comes_through_a_shell_as_it_is",
    ),
)

_ACCOUNTS = (
    without(
        "a changed account is signed out",
        "whoever was disabled goes on with the page that is open",
        Edit(
            "dashboard/sign_ins.py",
            "    tx.execute(update(SignIn).where(*its_own, SignIn.ended_at.is_(None))",
            "    tx.execute(update(SignIn).where(*its_own, SignIn.ended_at.is_not(None))",
        ),
        f"{ACCOUNTS}::test_it_ends_the_sign_ins_is_on_record_and_happens_once",
    ),
    without(
        "the last admin stays",
        "nobody is left who may put things right",
        Edit(PEOPLE, "    if list(admins) == [person.id]:\n", "    if False:\n"),
        f"{ACCOUNTS}::test_the_last_admin_who_can_sign_in_stays_one",
    ),
    without(
        "accounts are locked while one is changed",
        "two admins disable each other, and none is left",
        Edit(
            PEOPLE,
            "select(Person).order_by(Person.id).with_for_update(key_share=True)",
            "select(Person).order_by(Person.id)",
        ),
        f"{ACCOUNTS}::test_two_admins_cannot_disable_each_other_at_once",
        database=POSTGRESQL,
    ),
)

SIGN_INS = "dashboard/sign_ins.py"
OPEN = "web/test_sign_ins.py"
LINKS = "web/test_links.py"
LEAKED = "web/test_leaked_passwords.py"
DRAFTS = "web/test_drafts.py"

_SIGN_INS = (
    without(
        "nobody stays signed in without being there",
        "a desk that was left open refunds for whoever passes by",
        Edit(SIGN_INS, " SignIn.last_seen_at > now - idle,", ""),
        f"{OPEN}::test_after_fifteen_idle_minutes_one_has_to_sign_in_again",
    ),
    without(
        "an open page is nobody",
        "a page that is left open keeps its person signed in for ever",
        Edit(
            "dashboard/web/access.py", "    return request.endpoint not in _UNATTENDED and not said", "    return True"
        ),
        f"{OPEN}::test_what_an_open_page_asks_for_by_itself_keeps_nobody_signed_in",
    ),
    without(
        "a cookie from before the sign-in is worth nothing",
        "whoever planted it knows the token of every form",
        Edit("dashboard/web/people.py", "        session.clear()\n", "        pass\n"),
        f"{OPEN}::test_a_cookie_planted_before_the_sign_in_is_worth_nothing",
    ),
    without(
        "another password ends the other sign-ins",
        "a thief stays signed in after the password was changed",
        Edit(
            "dashboard/own_account.py",
            '        sign_ins.end_all(tx, account, books.config.idle, but=fresh or "")\n',
            "",
        ),
        "web/test_account.py::test_it_ends_all_other_sign_ins_and_goes_on_with_another_cookie",
    ),
    without(
        "a guess is counted before it is looked at",
        "a thousand passwords are tried at once before the first is counted",
        Edit("dashboard/guessing.py", "Guess.count < limit.most)", "Guess.count < 10**9)"),
        "core/test_guessing.py::test_many_at_once_do_not_pass_the_limit",
    ),
    without(
        "nobody changes to a leaked password",
        "whoever bought a list of leaks signs in with it",
        Edit(
            "dashboard/own_account.py",
            "passwords.check(new, person.email, books.config.leaked_passwords_file)",
            "passwords.check(new, person.email, None)",
        ),
        f"{LEAKED}::test_it_is_refused_on_the_pages_with_a_plain_sentence",
    ),
    without(
        "a link sets no leaked password",
        "whoever bought a list of leaks signs in with it",
        Edit(
            "dashboard/links.py",
            "passwords.check(password, found.email, books.config.leaked_passwords_file)",
            "passwords.check(password, found.email, None)",
        ),
        f"{LEAKED}::test_it_is_refused_on_the_pages_with_a_plain_sentence",
    ),
    without(
        "what cannot be looked up among leaked ones is not taken",
        "a list that is gone lets every leaked one in, unnoticed",
        Edit(
            "dashboard/passwords.py", 'raise BadPassword("unchecked",', 'return\n        raise BadPassword("unchecked",'
        ),
        f"{LEAKED}::test_what_cannot_be_looked_up_is_not_taken",
    ),
    without(
        "a link works once",
        "whoever finds a used link sets the password once more",
        Edit(
            "dashboard/links.py",
            "token_digest(token), Link.ended_at.is_(None), Link.made_at",
            "token_digest(token), Link.made_at",
        ),
        f"{LINKS}::test_of_two_at_once_one_is_taken",
        f"{LINKS}::test_unknown_used_replaced_and_old_ones_get_the_same_answer",
    ),
    without(
        "a reset ends all sign-ins",
        "a thief stays signed in after the reset",
        Edit("dashboard/links.py", "        sign_ins.end_all(tx, person, books.config.idle)\n", ""),
        f"{LINKS}::test_a_lost_password_is_reset_with_a_link",
    ),
    without(
        "what was typed is opened for whoever typed it",
        "whoever signs in next reads comments of somebody else's",
        Edit("dashboard/drafts.py", 'return f"typed by:{person.id}"', 'return "typed"'),
        f"{DRAFTS}::test_nobody_else_opens_it_and_nothing_that_was_changed",
    ),
    without(
        "what was typed is opened for some hours",
        "what a browser was left with is read years later",
        Edit("dashboard/drafts.py", " >= HOLDS_FOR:", " >= 700 * HOLDS_FOR:"),
        f"{DRAFTS}::test_it_is_opened_for_twelve_hours",
    ),
    without(
        "sealing what is typed keeps nobody signed in",
        "a page that is left open keeps its person signed in for ever",
        Edit(
            "dashboard/web/access.py",
            '_FOR_SCRIPTS - {"account.stay"}',
            '_FOR_SCRIPTS - {"account.stay", "account.keep"}',
        ),
        f"{DRAFTS}::test_a_page_that_asks_for_it_by_itself_keeps_nobody_signed_in",
    ),
    without(
        "a link from before a restore is over",
        "a link that was used since the backup sets the password once more",
        Edit("dashboard/restore.py", "    for opening in (SignIn, Link):\n", "    for opening in (SignIn,):\n"),
        "core/test_restored.py::test_links_given_out_before_are_over",
    ),
)

MUTANTS = (*_BACKUPS, *_RIGHT_DATABASE, *_ACCOUNTS, *_SIGN_INS)
