"""Guards of mail: once, to whom it is for, and read by nobody else."""

from tests.mutation.mutant import Edit, without

MAIL = "dashboard/mail.py"
SMTP = "dashboard/smtp.py"
PAGES = "dashboard/web/accounts.py"
TESTS = "core/test_mail.py"
WEB = "web/test_mailed_links.py"
NOTICES = "dashboard/notices.py"
NOTICE_RULES = "dashboard/notice_rules.py"
TOLD = "core/test_notices.py"

MUTANTS = (
    without(
        "a mail is claimed before it is sent",
        "two workers send the same mail",
        Edit(MAIL, "        mail.next_try_at, mail.tries = now + CLAIM, mail.tries + 1\n", "        mail.tries += 1\n"),
        f"{TESTS}::test_of_two_workers_one_sends_it",
    ),
    without(
        "what waits to be mailed is encrypted",
        "whoever reads the database sets other people's passwords",
        Edit(
            MAIL,
            "sealed = sealing.seal(text, config.secret_keys, sealed_to(person.id))",
            "sealed = text.encode()",
        ),
        f"{TESTS}::test_nobody_reads_in_the_database_what_it_says_and_it_does_not_outlive_its_sending",
    ),
    without(
        "what a mail says goes with its sending",
        "links stay readable with the secret key",
        Edit(
            MAIL, "mail.letter, mail.next_try_at, mail.problem = None, None,", "mail.next_try_at, mail.problem = None,"
        ),
        f"{TESTS}::test_nobody_reads_in_the_database_what_it_says_and_it_does_not_outlive_its_sending",
    ),
    without(
        "one person's mail is sealed for that person",
        "a changed row sends somebody's link to another",
        Edit(MAIL, 'return f"mail:{person_id}"', 'return "mail"'),
        f"{TESTS}::test_one_persons_mail_is_not_sent_to_another",
    ),
    without(
        "who is disabled gets no mail",
        "somebody who has left learns of an account",
        Edit(MAIL, "    if person.disabled_at is not None:\n", "    if False:\n"),
        f"{TESTS}::test_who_is_disabled_gets_none",
    ),
    without(
        "a newer mail takes the place of an older one",
        "a link that is over arrives after the one that holds",
        Edit(MAIL, "    drop(tx, person, kind)\n", ""),
        f"{TESTS}::test_a_newer_one_takes_the_place_of_one_that_waits",
    ),
    without(
        "a mail goes to one address",
        "a comma in an address sends the link to somebody else too",
        Edit(MAIL, "    if address.addr_spec != email:\n", "    if False:\n"),
        f"{TESTS}::test_an_address_that_is_two_or_none_gets_nothing",
    ),
    without(
        "mail servers elsewhere are spoken to by TLS",
        "links and the server's password are read on their way",
        Edit(SMTP, 'if parts.scheme == "smtp" and not is_loopback(host):', "if False:"),
        f"{TESTS}::test_a_server_elsewhere_that_offers_no_tls_gets_nothing",
    ),
    without(
        "a mail server elsewhere proves who it is",
        "whoever is in between gets links and the server's password",
        Edit(SMTP, "server.starttls(context=ssl.create_default_context())", "server.starttls()"),
        f"{TESTS}::test_starttls_with_a_server_that_nobody_vouches_for_goes_no_further",
    ),
    without(
        "a link that is over is mailed no more",
        "somebody is told to use a link that is dead",
        Edit("dashboard/people.py", "    mail.drop(tx, person, mail.PASSWORD_LINK)\n", ""),
        f"{WEB}::test_a_link_that_is_over_is_not_mailed_any_more",
    ),
    without(
        "a rude goodbye takes no mail back",
        "a mail that was taken is sent again and again",
        Edit(
            SMTP,
            "        with suppress(smtplib.SMTPException, OSError):\n            server.quit()\n",
            "        code, _ = server.quit()\n        if code != 221:\n            raise smtplib.SMTPException\n",
        ),
        f"{TESTS}::test_a_rude_goodbye_changes_nothing_of_what_was_taken",
    ),
    without(
        "a link that goes by mail is not shown",
        "an admin takes over the account of whoever they invite",
        Edit(PAGES, "    if _by_mail():\n        flash(", "    if False:\n        flash("),
        f"{WEB}::test_who_is_invited_gets_the_link_by_mail_and_nobody_else_sees_it",
    ),
    without(
        "what was told is told no more",
        "everybody gets the same mail every quarter of an hour",
        Edit(
            NOTICES,
            "    return [matter for matter in theirs if (matter.what, matter.name) not in told]\n",
            "    return [*theirs]\n",
        ),
        f"{TOLD}::test_each_is_told_once_however_many_rounds_there_are",
    ),
    without(
        "what was told is looked up again under the lock",
        "two workers tell the same person the same thing",
        Edit(
            NOTICES,
            "        new = _new_to(tx, person, theirs, now)\n        if not new:\n            return False\n",
            "        new = theirs\n",
        ),
        f"{TOLD}::test_two_workers_tell_it_once",
    ),
    without(
        "nobody is told to approve their own refund",
        "whoever asked is called to do what they may not",
        Edit(NOTICE_RULES, "    if matter.by_id == person_id:\n        return False\n", ""),
        f"{TOLD}::test_a_refund_that_waits_for_approval_is_told_to_approvers_and_not_to_its_asker",
    ),
    without(
        "who is disabled is told nothing",
        "somebody who has left goes on hearing of refunds",
        Edit(NOTICES, "    if person.disabled_at is not None:\n        return []\n", ""),
        f"{TOLD}::test_whoever_is_disabled_while_it_is_written_hears_nothing",
    ),
    without(
        "nobody hears of what their role may not see",
        "whoever lost a role goes on hearing of what came with it",
        Edit(NOTICE_RULES, "    return wanted.intersection(open_to(role))\n", "    return wanted\n"),
        "core/test_notice_rules.py::test_nobody_hears_of_what_their_role_may_not_see_or_do",
    ),
    without(
        "what never got through is told anew",
        "a day without a mail server, and what waits is never heard of",
        Edit(NOTICES, "_about(person, matters), or_(Mail.id.is_(None), ~never_sent)", "_about(person, matters)"),
        f"{TOLD}::test_what_is_a_day_old_is_not_sent_late_and_what_is_still_true_is_told_anew",
    ),
    without(
        "a mail that waits is not replaced by the next one",
        "what stood in it is never heard of",
        Edit(NOTICE_RULES, "    return not is_waiting and (", "    return ("),
        f"{TOLD}::test_while_a_mail_waits_no_other_is_written_and_nothing_is_lost",
    ),
)
