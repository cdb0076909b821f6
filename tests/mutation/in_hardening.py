"""Guards against the usual holes of the web, and for secrets and card numbers."""

from tests.mutation.mutant import Edit, without, without_both

HARDENING = "dashboard/web/hardening.py"
SERVER = "dashboard/server.py"
SLOW = "dashboard/slow_clients.py"
REFUSALS = "dashboard/web/refusals.py"
HIDDEN = "dashboard/bank131/hidden_characters.py"

ALLOWLIST = "dashboard/bank131/allowlist.py"
OBJECTS = "dashboard/bank131/objects.py"

WINDOW = "dashboard/bank_window.py"

HEADERS = "web/test_security_headers.py"
HOLES = "web/test_holes_of_the_web.py"
LINKS = "web/test_links.py"
ADDRESSES = "web/test_addresses.py"
TEST_REFUSALS = "web/test_refusals.py"
REAL_SERVER = "processes/test_web_server.py"
CARDS = "web/test_card_data.py"
SECRETS = "web/test_secrets.py"
ANOTHER_KEY = "web/test_another_secret_key.py"
RESEALING = "core/test_resealing.py"
FILES = "dashboard/setting_files.py"
WINDOW_TESTS = "core/test_bank_window.py"
TEXT = "web/test_text_safety.py"
COMPONENTS = "tests/components.py"
TEST_COMPONENTS = "test_components.py"


def _header(name: str) -> Edit:
    return Edit(HARDENING, f'    "{name}": ', f'    "X-Was-{name}": ')


_HEADERS = tuple(
    without(
        f"the header {name}",
        otherwise,
        _header(name),
        f"{HEADERS}::test_every_answer_carries_the_policy",
    )
    for name, otherwise in (
        ("Content-Security-Policy", "a script that got into a page runs"),
        ("X-Content-Type-Options", "a browser guesses what a file is"),
        ("X-Frame-Options", "an old browser shows the desk in somebody's frame"),
        ("Referrer-Policy", "other hosts learn addresses with ids in them"),
        ("Cross-Origin-Opener-Policy", "a window that opened the desk keeps a hold on it"),
        ("Cross-Origin-Resource-Policy", "other hosts take in what the desk serves"),
        ("Permissions-Policy", "a page asks for the camera"),
    )
)

_ANSWERS = (
    without(
        "no frame shows the desk",
        "a click that somebody is lured into lands on a button of the desk",
        Edit(HARDENING, "frame-ancestors 'none'; ", ""),
        f"{HEADERS}::test_every_answer_carries_the_policy",
    ),
    without(
        "no script or style inside a page",
        "text that got into a page as markup runs",
        Edit(HARDENING, "script-src 'self'; ", "script-src 'self' 'unsafe-inline'; "),
        f"{HEADERS}::test_every_answer_carries_the_policy",
    ),
    without(
        "no page is stored",
        "the next one at this computer reads it",
        Edit(HARDENING, 'response.headers.setdefault("Cache-Control", "no-store")', "pass"),
        f"{HEADERS}::test_every_answer_carries_the_policy",
    ),
    without(
        "HTTPS stays HTTPS",
        "the next visit begins over plain HTTP",
        Edit(HARDENING, "    if request.is_secure:\n        response", "    if False:\n        response"),
        f"{HEADERS}::test_over_https_the_browser_is_told_to_stay_there",
    ),
    without(
        "over HTTPS the cookie is bound to its host",
        "another host of the same domain puts its own cookie there",
        Edit(HARDENING, 'return f"{HOST_PREFIX}{name}" if request.is_secure else name', "return name"),
        f"{HEADERS}::test_behind_a_proxy_that_says_https_it_is_and_bound_to_its_host",
    ),
    without(
        "over HTTPS the cookie is Secure",
        "it travels over plain HTTP too",
        Edit(HARDENING, "        return request.is_secure\n", "        return False\n"),
        f"{HEADERS}::test_behind_a_proxy_that_says_https_it_is_and_bound_to_its_host",
    ),
    without(
        "no redirect leads out",
        "a redirect leads to the host that the request named",
        Edit(HARDENING, "    app.after_request(_redirect_within)\n", ""),
        "web/test_redirects.py::test_the_routers_own_redirects_are_relative",
    ),
    without(
        "back only to a page of ours",
        "signing in leads to a page that looks like ours and asks again",
        Edit("dashboard/web/access.py", 'target.startswith(("//", "/\\\\"))', "False"),
        f"{HOLES}::test_signing_in_never_leads_to_another_host",
        "web/test_login.py::test_no_target_leads_out_of_the_app",
    ),
)

_REQUESTS = (
    without(
        "the desk answers under its own name alone",
        "a page made under another name is led there, or kept by a cache for everybody",
        Edit(HARDENING, "if host != public_host and not is_loopback(host):", "if False:"),
        f"{HOLES}::test_under_another_name_it_answers_nothing_and_does_not_repeat_it",
    ),
    without(
        "machines may use any name",
        "health checks by address fail, and webhooks are lost",
        Edit(HARDENING, "        if request.blueprint in _FOR_MACHINES:\n            return\n", ""),
        f"{HOLES}::test_machines_may_use_any_name_and_are_told_nothing_of_it",
    ),
    without(
        "a number of proxies is believed",
        "everybody chooses an address, and the limit for one address limits nobody",
        Edit("dashboard/app.py", "x_for=hops,", "x_for=hops + 1,"),
        f"{HOLES}::test_more_hops_than_believed_give_nobody_another_address",
    ),
    without_both(
        "without a proxy none is believed",
        "everybody chooses an address",
        (
            Edit("dashboard/app.py", "        hops = config.proxy_hops\n", "        hops = config.proxy_hops or 1\n"),
            Edit("dashboard/app.py", "    if config.proxy_hops:\n", "    if True:\n"),
        ),
        f"{HOLES}::test_without_a_proxy_nobody_chooses_an_address",
    ),
    without(
        "each field once",
        "whoever looks at the first and whoever looks at the last see two refunds",
        Edit(HARDENING, "    if any(len(values) > 1 for", "    if False and any(len(values) > 1 for"),
        f"{HOLES}::test_a_field_that_comes_twice_is_refused",
    ),
    without(
        "no JSON in the place of a form",
        "a request that no form of ours can make is taken",
        Edit(HARDENING, "if request.mimetype not in _FORMS and", "if False and"),
        f"{HOLES}::test_json_is_no_form",
    ),
    without(
        "no files",
        "files are taken in and written to the disk",
        Edit(HARDENING, "    if request.files:\n        abort(415)\n", ""),
        f"{HOLES}::test_no_page_takes_files",
    ),
    without(
        "a form has its largest size",
        "one request fills the memory",
        Edit("dashboard/app.py", "        MAX_CONTENT_LENGTH=hardening.MAX_FORM_BYTES,\n", ""),
        f"{HOLES}::test_a_body_larger_than_any_form_is_refused",
    ),
    without(
        "a form in pieces has it too",
        "a form is cut off at the limit and taken as it is",
        Edit(HARDENING, "    _refuse_too_much_in_pieces()\n", ""),
        f"{HOLES}::test_a_body_larger_than_any_form_is_refused",
    ),
    without(
        "a CSRF token with every change",
        "a page elsewhere sends our forms",
        Edit("dashboard/app.py", "    csrf = CSRFProtect(app)\n", "    csrf = CSRFProtect()\n"),
        "web/test_url_map.py::test_every_change_needs_a_csrf_token",
    ),
)

_SERVER = (
    without(
        "slow clients lose the connection",
        "as many of them as there are threads keep everybody waiting for ever",
        Edit(SLOW, "                    sock.shutdown(socket.SHUT_RD)", "                    pass"),
        f"{REAL_SERVER}::test_slow_clients_do_not_keep_others_waiting",
    ),
    without(
        "little patience while hardly a thread is free",
        "slow clients keep others waiting for ten seconds and more",
        Edit(SLOW, "(LITTLE_PATIENCE_S if crowded else PATIENCE_S)", "PATIENCE_S"),
        f"{REAL_SERVER}::test_slow_clients_do_not_keep_others_waiting",
    ),
    without(
        "gunicorn believes no proxy by itself",
        "whatever comes from this machine is taken for HTTPS, whatever the number of hops",
        Edit(SERVER, '            "forwarded_allow_ips": "",\n', ""),
        f"{REAL_SERVER}::test_which_headers_of_a_proxy_count_is_said_by_the_number_of_hops_alone",
    ),
    without(
        "a webhook has its largest size",
        "one webhook fills the memory",
        Edit("dashboard/web/webhooks.py", "    if len(body) > MAX_BODY_BYTES:\n        abort(413)\n", ""),
        f"{REAL_SERVER}::test_a_body_that_is_too_large_is_refused",
    ),
    without(
        "a line of a request has its largest size",
        "one request fills the memory before anything looks at it",
        Edit(SERVER, '"limit_request_line": 4094', '"limit_request_line": 0'),
        f"{REAL_SERVER}::test_a_request_that_can_be_read_in_two_ways_or_is_too_long_is_refused",
    ),
)

_TEXT = (
    without(
        "what nobody sees leaves a mark",
        "two customers look the same where money is decided",
        Edit(HIDDEN, 'REPLACEMENT = "\\ufffd"', 'REPLACEMENT = " "'),
        f"{TEXT}::test_two_customers_never_look_the_same",
    ),
    without(
        "fillers and joiners leave a mark too",
        "two customers look the same where money is decided",
        Edit(HIDDEN, "return bool(_UNSEEN.match(character)) or not", "return not"),
        f"{TEXT}::test_two_customers_never_look_the_same",
        f"{TEXT}::test_no_two_accounts_look_the_same",
    ),
    without(
        "metadata turns nothing around it",
        "what stands beside it is read backwards",
        Edit("dashboard/web/sessions.py", 'str(payment.get("id"))] = escaped(text)', 'str(payment.get("id"))] = text'),
        f"{TEXT}::test_text_that_turns_or_hides_is_shown_without_doing_either",
    ),
    without(
        "markup is text",
        "what a customer wrote runs as a script",
        Edit(
            "templates/_macros.html",
            '{% macro fold(name, text="", id="") -%}',
            '{% macro fold(name, text="", id="") -%}{% set text = text|safe %}',
        ),
        f"{TEXT}::test_markup_is_text",
    ),
    without(
        "long words break",
        "a page as narrow as a phone runs out of its window",
        Edit("static/app.css", "  overflow-wrap: anywhere;\n}\n\na {", "}\n\na {"),
        "journeys/test_hostile_text.py::test_on_a_narrow_page",
    ),
)

_CARD_NUMBERS = (
    without(
        "a raw body is kept without card numbers",
        "a card number stands in the table of webhooks",
        Edit("dashboard/webhook_inbox.py", '"body": without_card_numbers(body)', '"body": body'),
        f"{CARDS}::test_none_of_a_webhook_is_kept_shown_or_logged",
    ),
    without(
        "ids stay as they are in a raw body",
        "a session whose id looks like a card number becomes another one",
        Edit(ALLOWLIST, "    return value if is_identifier(value) else masked(value)", "    return masked(value)"),
        f"{CARDS}::test_ids_and_amounts_that_look_like_card_numbers_decide_as_they_are",
    ),
    without(
        "unreadable bodies are masked as text",
        "a card number stands in the table of webhooks",
        Edit(ALLOWLIST, "return body if masked_text == text else masked_text.encode()", "return body"),
        f"{CARDS}::test_none_of_a_webhook_is_kept_shown_or_logged",
    ),
    without(
        "metadata is masked",
        "a card number stands in the session's page, and can be searched for",
        Edit(
            ALLOWLIST,
            "        return {mask_card_numbers(str(name)): masked(item, depth_left - 1)",
            "        return {str(name): item",
        ),
        f"{CARDS}::test_none_of_an_answer_is_kept_shown_or_logged",
    ),
    without(
        "numbers are masked too",
        "a card number that came as a number is kept",
        Edit(ALLOWLIST, "    return value if masked_text == text else masked_text", "    return value"),
        f"{CARDS}::test_none_of_an_answer_is_kept_shown_or_logged",
        f"{CARDS}::test_none_of_a_webhook_is_kept_shown_or_logged",
    ),
    without(
        "fields that are not listed are left out",
        "whatever the bank sends of a card is kept",
        Edit(
            ALLOWLIST,
            "in value.items() if name in rules}",
            "in value.items() if name in rules} | {name: item for name, item in value.items() if name not in rules}",
        ),
        "bank131/test_allowlist.py::test_unknown_fields_and_payouts_are_left_out",
    ),
    without(
        "text for one line is masked",
        "a card number in an error or a reference is kept, shown and logged",
        Edit(
            OBJECTS,
            'line = mask_card_numbers(" ".join(shown(mask_card_numbers(text)).split()))',
            'line = " ".join(shown(text).split())',
        ),
        f"{CARDS}::test_none_of_an_error_is_kept_shown_or_logged",
    ),
    without(
        "four digits of a card, no more",
        "what stands as the end of a card number is the whole of it",
        Edit(ALLOWLIST, "    return found[1] if found else None", "    return str(value)"),
        f"{CARDS}::test_none_of_an_answer_is_kept_shown_or_logged",
    ),
    without(
        "errors of the database tell nothing of the data",
        "what was to be written stands in the log",
        Edit("dashboard/db.py", '"max_overflow": 80, "hide_parameters": True}', '"max_overflow": 80}'),
        f"{CARDS}::test_a_webhook_that_cannot_be_kept_or_applied_says_nothing_of_it",
    ),
    without(
        "joins written as JSON escapes are joins",
        "a card number in a JSON document inside a string is kept",
        Edit(
            "dashboard/bank131/card_numbers.py",
            "    text = _ESCAPED_JOIN.sub(lambda found: chr(int(found[1], 16)), text)\n",
            "",
        ),
        f"{CARDS}::test_none_of_an_answer_is_kept_shown_or_logged",
    ),
)

_ANOTHER_KEY = (
    without(
        "a cookie of the secret key before is good meanwhile",
        "a change of keys signs everybody out",
        Edit("dashboard/app.py", "        SECRET_KEY_FALLBACKS=list(config.secret_keys[1:]),\n", ""),
        f"{ANOTHER_KEY}::test_everything_goes_on_while_the_key_before_is_set_and_what_is_kept_goes_on_afterwards",
    ),
    without(
        "a form of the secret key before is good while that is set",
        "a change of keys throws away what people are typing",
        Edit("dashboard/app.py", "        WTF_CSRF_SECRET_KEY=list(reversed(config.secret_keys)),\n", ""),
        f"{ANOTHER_KEY}::test_everything_goes_on_while_the_key_before_is_set_and_what_is_kept_goes_on_afterwards",
    ),
    without(
        "the new key signs",
        "what is signed after the change is over when the key before goes",
        Edit("dashboard/signing.py", "list(reversed(secret_keys))", "list(secret_keys)"),
        f"{ANOTHER_KEY}::test_a_question_for_a_passkey_and_a_known_browser_go_on_too",
    ),
    without(
        "what the key before sealed is sealed anew",
        "apps are lost when the key before goes",
        Edit("dashboard/resealing.py", "    setattr(row, kept.column.key, sealing.seal(text, keys, purpose))\n", ""),
        f"{RESEALING}::test_all_of_it_is_sealed_anew_in_small_steps_each_on_record",
    ),
    without(
        "the journal's key does not change with the secret key",
        "the journal of before can be verified no more",
        Edit("dashboard/config.py", "    if config.secret_key_before and not config.journal_key:", "    if False:"),
        f"{RESEALING}::test_the_journal_goes_on_with_its_key_when_the_secret_key_changes",
    ),
    without(
        "nothing starts with another journal key",
        "what is written from then on can be verified never more",
        Edit("dashboard/commands/starting.py", "        check_journal_key(books)\n        try:", "        try:"),
        f"{RESEALING}::test_nothing_starts_or_writes_with_another_journal_key",
    ),
    without(
        "no command writes with another journal key",
        "one command by hand, and the journal can be verified never more",
        Edit(
            "dashboard/commands/opening.py",
            "        if changes and migrated:\n            check_journal_key(books)\n",
            "",
        ),
        f"{RESEALING}::test_nothing_starts_or_writes_with_another_journal_key",
    ),
    without(
        "a sign-in looks at a hash that was made anew meanwhile",
        "a double click is told that the password is wrong",
        Edit(
            "dashboard/signing_in.py",
            "    if person.password_hash != seen.password_hash and not passwords.fits(password, person.password_hash):",
            "    if person.password_hash != seen.password_hash:",
        ),
        f"{RESEALING}::test_two_who_sign_in_while_it_is_hashed_anew_both_get_in",
    ),
)

_SECRETS = (
    without(
        "settings are written down without what is secret",
        "a defect writes the keys and the database's password into the log",
        Edit("dashboard/config.py", "    secret_key: str = field(repr=False)", "    secret_key: str"),
        f"{SECRETS}::test_no_page_log_or_table_tells_a_secret",
        f"{SECRETS}::test_nothing_that_is_written_down_of_the_settings_tells_a_secret",
    ),
    without(
        "the error page of an outage logs the cause alone",
        "what was looked up or to be written stands in the log",
        Edit("dashboard/web/errors.py", 'getattr(problem, "orig", None) or problem)', "problem)"),
        f"{SECRETS}::test_no_page_log_or_table_tells_a_secret",
    ),
    without(
        "an address is read before it is used",
        "a part of the database's password is told as a host",
        Edit("dashboard/config.py", "        _check_postgresql(rest)\n", ""),
        f"{SECRETS}::test_a_password_that_does_not_fit_into_an_address_is_told_as_that",
    ),
    without(
        "the database is named without its password",
        "every command writes it on the screen",
        Edit("dashboard/db.py", "render_as_string(hide_password=True)", "render_as_string(hide_password=False)"),
        f"{SECRETS}::test_no_command_tells_a_secret",
    ),
    without(
        "a private key open to others is told",
        "whoever has an account on the machine signs refunds",
        Edit(
            "dashboard/obstacles.py",
            "    if not mode & (stat.S_IRWXO if is_handed_over else stat.S_IRWXG | stat.S_IRWXO):",
            "    if True:",
        ),
        f"{SECRETS}::test_a_private_key_that_others_may_read_is_told",
    ),
    without(
        "a secret's file is open to its owner and group alone",
        "whoever has an account on the machine reads the secrets",
        Edit(
            FILES,
            "    if file.stat().st_mode & stat.S_IRWXO and file.parent.stat().st_mode & stat.S_IXOTH:",
            "    if False:",
        ),
        "core/test_setting_files.py::test_a_file_that_everybody_may_read_or_change_is_refused",
    ),
    without(
        "nobody else writes into the secrets' folder",
        "whoever has an account on the machine sets where refunds go",
        Edit(FILES, "    if mode & stat.S_IWOTH and not is_fixed:", "    if False:"),
        "core/test_setting_files.py::test_a_folder_into_which_everybody_may_write_is_refused",
    ),
    without(
        "a setting stands in one place",
        "a value that was forgotten counts",
        Edit(FILES, "    if file.name in environ:", "    if False:"),
        "core/test_setting_files.py::test_a_setting_in_both_places_is_refused_without_telling_either",
    ),
    without(
        "our key is as long as the installation asks for",
        "a short key is put in by mistake, and nobody notices",
        Edit(
            "dashboard/wiring.py",
            "load_private_key(config.private_key_file.read_bytes(), config.key_bits)",
            "load_private_key(config.private_key_file.read_bytes())",
        ),
        f"{SECRETS}::test_a_key_shorter_than_the_installation_asks_for_stops_the_start",
    ),
    without(
        "the bank's key is as long as the installation asks for",
        "webhooks are believed that a shorter key has signed",
        Edit(
            "dashboard/wiring.py",
            "load_public_key(file.read_bytes(), config.key_bits) for",
            "load_public_key(file.read_bytes()) for",
        ),
        f"{SECRETS}::test_a_key_shorter_than_the_installation_asks_for_stops_the_start",
    ),
    without(
        "a weak secret key stops the start",
        "somebody guesses it and signs in as anybody",
        Edit(
            "dashboard/config.py",
            "    if len(value) < SHORTEST_SECRET or len(set(value)) < SHORTEST_SECRET // 3 or _repeats_itself(value):",
            "    if False:",
        ),
        f"{SECRETS}::test_nothing_starts_without_a_strong_secret_key",
    ),
    without(
        "a key that cannot be read is not repeated",
        "a part of a private key stands on the screen",
        Edit(
            "dashboard/bank131/signature.py",
            'raise KeyFormatError(f"the private key cannot be read: damaged PEM file ({label})") from None',
            "raise KeyFormatError(pem.decode()) from None",
        ),
        f"{SECRETS}::test_a_key_that_cannot_be_used_is_not_repeated",
    ),
)

_RECORD = (
    without(
        "who tries what they may not is in the log",
        "nobody notices",
        Edit("dashboard/web/access.py", "                refusals.tell(", "                ("),
        f"{HOLES}::test_who_tries_what_they_may_not_is_in_the_log",
    ),
    without(
        "a forged form is in the log",
        "nobody notices",
        Edit(
            "dashboard/web/errors.py",
            "    if isinstance(error, CSRFError):\n        refusals",
            "    if False:\n        refusals",
        ),
        f"{HOLES}::test_who_tries_what_they_may_not_is_in_the_log",
    ),
    without(
        "the log's lines are in UTC",
        "two machines tell of one moment as of two",
        Edit("dashboard/cli.py", "LOG_LINE.converter = time.gmtime\n", ""),
        "core/test_commands.py::test_a_line_of_the_log_says_when_in_utc",
    ),
    without(
        "a stranger makes no line of the log",
        "the log tells of what never happened",
        Edit(REFUSALS, "return one_line(request.path)", "return request.path"),
        f"{HOLES}::test_what_a_stranger_says_makes_no_line_of_the_log",
    ),
    without(
        "nor does a defect",
        "the log tells of what never happened",
        Edit(
            "dashboard/web/errors.py",
            "request.method, refusals.path(), exc_info",
            "request.method, request.path, exc_info",
        ),
        f"{HOLES}::test_a_defect_is_told_in_a_line_of_its_own",
    ),
    without(
        "the code of a link stands behind the # of its address",
        "whoever reads the proxy's log sets somebody's password",
        Edit("dashboard/web/letters.py", "#{started.token}", "/{started.token}"),
        f"{LINKS}::test_a_lost_password_is_reset_with_a_link",
    ),
    without(
        "what was typed goes back to its form sealed",
        "comments about customers stand in histories and logs",
        Edit(
            "dashboard/web/refund_form.py",
            "typed[_SEALED] = drafts.seal(desk(), person(), comment)",
            "typed[_SEALED] = comment",
        ),
        f"{ADDRESSES}::test_no_comment_of_a_refund",
    ),
    without(
        "what is refused is in the log",
        "nobody notices who tries values and limits",
        Edit(REFUSALS, "    app.after_request(_tell_of_status)\n", ""),
        f"{TEST_REFUSALS}::test_values_and_rules_that_refuse_are_told",
        f"{TEST_REFUSALS}::test_limits_that_are_reached_are_told",
    ),
    without(
        "nobody floods the log",
        "a stranger fills the disk, or hides what they do among a million lines",
        Edit(REFUSALS, "        if not is_over:", "        if True:"),
        f"{TEST_REFUSALS}::test_nobody_floods_the_log",
    ),
    without(
        "every answer says in which letters it is",
        "a browser guesses them, and reads markup where there is none",
        Edit(
            "dashboard/web/webhooks.py",
            'return "bad signature\\n", 401, {"Content-Type": "text/plain; charset=utf-8"}',
            'return "bad signature\\n", 401, {"Content-Type": "text/plain"}',
        ),
        f"{HEADERS}::test_every_answer_says_what_it_is_and_in_which_letters",
    ),
)

_WINDOW_TO_THE_BANK = (
    without(
        "a database elsewhere proves who it is",
        "somebody in between reads and changes the books",
        Edit("dashboard/db.py", '{"sslmode": "verify-full", ', '{"sslmode": "prefer", '),
        "core/test_db.py::test_a_database_elsewhere_has_to_prove_who_it_is",
    ),
    without(
        "files that somebody takes are counted",
        "whoever came to a sign-in empties the desk",
        Edit("dashboard/web/files.py", "    guessing.reserve(desk(), limit)\n", ""),
        "web/test_journal_page.py::test_so_many_files_are_taken_in_a_short_time_and_no_more",
    ),
    without(
        "web servers have no private key",
        "whoever takes one over can sign refunds",
        Edit("dashboard/app.py", "bank or bank_window.Window(config)", "bank or wiring.bank_client(config)"),
        f"{WINDOW_TESTS}::test_the_web_app_reads_no_private_key",
        f"{SECRETS}::test_a_web_server_starts_without_the_private_key",
    ),
    without(
        "only sessions are asked for at the window",
        "a page can have other things signed",
        Edit(WINDOW, "isinstance(session_id, str) and is_identifier(session_id) and ", ""),
        f"{WINDOW_TESTS}::test_what_is_no_question_is_not_asked",
    ),
    without(
        "a folder for everybody is not trusted",
        "anybody on the machine answers in the worker's place",
        Edit(WINDOW, "if found.st_mode & stat.S_IWOTH:", "if False:"),
        f"{WINDOW_TESTS}::test_a_folder_for_everybody_is_not_trusted",
    ),
    without(
        "a folder that anybody could have made is not trusted",
        "whoever made it first answers in the worker's place",
        Edit(WINDOW, " or above.st_mode & (stat.S_IWGRP | stat.S_IWOTH):", ":"),
        f"{WINDOW_TESTS}::test_another_users_folder_is_trusted_where_others_could_not_have_made_it",
    ),
    without(
        "who was let into the folder is no worker yet",
        "whoever was let into the folder answers in the worker's place",
        Edit(WINDOW, "            _check_peer(connection, path.parent)\n", ""),
        f"{WINDOW_TESTS}::test_somebody_who_was_let_into_the_folder_is_no_worker",
    ),
    without(
        "a worker of another bank is not asked",
        "a sandbox's sessions are taken for the bank's",
        Edit(WINDOW, 'folder.glob(f"{_name(config)}-*.sock")', 'folder.glob("*.sock")'),
        f"{WINDOW_TESTS}::test_a_worker_of_another_bank_is_not_asked",
    ),
    without(
        "an answer has to be whole",
        "what a worker said before it ended passes for the bank's word",
        Edit(WINDOW, 'told.get("bytes") == len(body)', 'told.get("bytes", 1)'),
        f"{WINDOW_TESTS}::test_half_an_answer_is_no_word_of_the_banks",
    ),
    without(
        "a worker that says nothing is not waited for",
        "pages hang until there is no thread left",
        Edit(
            WINDOW,
            "        connection.settimeout(max(ends_at_s - time.monotonic(), 0.001))\n        part",
            "        connection.settimeout(5)\n        part",
        ),
        f"{WINDOW_TESTS}::test_a_worker_that_says_nothing_is_not_waited_for_longer_than_the_bank",
        f"{WINDOW_TESTS}::test_a_question_that_does_not_end_is_not_waited_for",
    ),
    without(
        "where a worker cannot answer another one is asked",
        "pages cannot look at the bank though a worker is there",
        Edit(WINDOW, "                why = problem\n", "                raise problem\n"),
        f"{WINDOW_TESTS}::test_what_a_killed_worker_left_is_in_nobodys_way",
        f"{WINDOW_TESTS}::test_where_one_worker_ends_meanwhile_another_one_is_asked",
    ),
    without(
        "who finds no seat at the window is turned away",
        "pages without end take the threads of the process that sends money",
        Edit(WINDOW, "return self._seats.acquire(blocking=False)", "return True"),
        f"{WINDOW_TESTS}::test_too_many_at_once_are_turned_away_and_seats_are_given_back",
    ),
    without(
        "that no worker could be asked says nothing of the bank",
        "a machine without a worker puts off reads, and brings people in for nothing",
        Edit("dashboard/reads.py", "    if isinstance(problem, NotAsked):\n        return\n", ""),
        f"{WINDOW_TESTS}::test_that_it_could_not_be_asked_says_nothing_of_the_bank",
    ),
)

_LIBRARIES = (
    without(
        "weaknesses that an index does not tell are not none",
        "a mirror without such pages makes every check green",
        Edit(
            COMPONENTS,
            'in answer.headers.get("Content-Type", ""):\n            raise NotTold("weaknesses")',
            'in answer.headers.get("Content-Type", ""):\n            return []',
        ),
        f"{TEST_COMPONENTS}::test_an_index_without_pages_on_weaknesses_is_not_enough",
    ),
    without(
        "a library counts as old from the first newer version on",
        "one that comes out again each month is never past its time",
        Edit(
            COMPONENTS,
            "since, newest = min(one.at for one in takable)",
            "since, newest = max(one.at for one in takable)",
        ),
        f"{TEST_COMPONENTS}::test_what_has_been_out_of_date_for_longer_than_the_manual_allows_is_told",
    ),
)

MUTANTS = (
    *_HEADERS,
    *_ANSWERS,
    *_REQUESTS,
    *_SERVER,
    *_TEXT,
    *_CARD_NUMBERS,
    *_ANOTHER_KEY,
    *_SECRETS,
    *_WINDOW_TO_THE_BANK,
    *_RECORD,
    *_LIBRARIES,
)
