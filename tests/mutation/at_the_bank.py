"""Guards in the calls to the bank."""

from tests.mutation.mutant import Edit, without, without_both

CLIENT = "dashboard/bank131/client.py"
TRANSPORT = "dashboard/bank131/transport.py"

ANSWERS = "core/test_answers.py"
TEST_CLIENT = "bank131/test_client.py"
TEST_TRANSPORT = "bank131/test_transport.py"

_CALL = (
    without(
        "a refund is sent as it is handed over",
        "what is signed and sent is not what was stored",
        Edit(
            CLIENT,
            'answer = self._call("session/refund", body, {',
            'answer = self._call("session/refund", _json(json.loads(body)), {',
        ),
        f"{TEST_CLIENT}::test_a_refund_call_sends_the_bytes_it_is_given",
    ),
    without(
        "a refund goes with its idempotency key",
        "the bank makes two refunds of one that was sent twice",
        Edit(CLIENT, 'body, {"X-PARTNER-IDEMPOTENCY-KEY": idempotency_key})', "body)"),
        "core/test_send.py::test_the_stored_bytes_go_out_with_the_reference_as_key",
    ),
    without(
        "what is signed is what is sent",
        "the bank refuses every call",
        Edit(
            CLIENT,
            '"X-PARTNER-SIGN": sign(self._private_key, body),',
            '"X-PARTNER-SIGN": sign(self._private_key, body.strip() + b" "),',
        ),
        f"{TEST_CLIENT}::test_a_refund_call_sends_the_bytes_it_is_given",
    ),
)

_ANSWER = (
    without(
        "a timeout is unknown",
        "a refund whose answer was lost is sent again at once",
        Edit(
            CLIENT,
            'raise OutcomeUnknown(f"the bank did not answer: {error}") from error',
            'raise NeverReached(f"the bank did not answer: {error}") from error',
        ),
        f"{ANSWERS}::test_what_becomes_of_a_clean_attempt",
    ),
    without(
        "an error with a 5xx is unknown",
        "a bank in trouble said no to a refund that it made",
        Edit(CLIENT, "(400 <= status < 500 and status not in", "(400 <= status < 600 and status not in"),
        f"{ANSWERS}::test_what_becomes_of_a_clean_attempt",
    ),
    without(
        "408, 409, 425 and 429 are unknown",
        "a hiccup on the way is taken for the bank's no",
        Edit(
            CLIENT,
            "_UNDECIDED_STATUSES = frozenset({408, 409, 425, 429})",
            "_UNDECIDED_STATUSES = frozenset({400 + 99})",
        ),
        f"{ANSWERS}::test_what_becomes_of_a_clean_attempt",
    ),
    without(
        "HTML and truncated JSON are unknown",
        "a gateway's page is taken for the bank's no",
        Edit(
            CLIENT,
            'OutcomeUnknown(f"HTTP {answer.status} with a body that cannot be read: {problem}", answer) from None',
            'Refused("unreadable", None, answer) from None',
        ),
        f"{ANSWERS}::test_what_becomes_of_a_clean_attempt",
    ),
    without(
        "an error without a code is unknown",
        "something that is not the bank said no",
        Edit(
            CLIENT,
            'return OutcomeUnknown(f"HTTP {answer.status} with an error that has no readable code", answer)',
            'return Refused("none", None, answer)',
        ),
        f"{ANSWERS}::test_what_becomes_of_a_clean_attempt",
    ),
    without(
        "a session with another status than 200 is unknown",
        "a cached page is taken for what the bank has now",
        Edit(CLIENT, 'if answer.status != 200 or fields.get("status") != "ok":', 'if fields.get("status") != "ok":'),
        f"{TEST_CLIENT}::test_a_good_session_with_another_status_than_200_is_unknown",
    ),
    without(
        "key-exists is unknown",
        "the bank has the refund, and it is called refused",
        Edit(CLIENT, "    if code == _KEY_ALREADY_USED:\n", "    if False:\n"),
        f"{ANSWERS}::test_what_becomes_of_a_clean_attempt",
    ),
    without(
        "an answer about another session is unknown",
        "the refunds of one session are taken for those of another",
        Edit(CLIENT, "if session.id != session_id or not isinstance(raw, dict):", "if not isinstance(raw, dict):"),
        f"{ANSWERS}::test_an_answer_to_another_session_proves_nothing",
    ),
)

_TRANSPORT = (
    without_both(
        "no retries",
        "the transport sends a refund twice, and nobody knows (not asked for, and no second connection for it)",
        (
            Edit(
                TRANSPORT,
                "super().__init__(max_retries=0)",
                "super().__init__(max_retries=Retry(3, allowed_methods=None))",
            ),
            Edit(
                TRANSPORT,
                "from urllib3.connectionpool import HTTPConnectionPool\n",
                "from urllib3.connectionpool import HTTPConnectionPool\nfrom urllib3.util import Retry\n",
            ),
            Edit(TRANSPORT, '        if self._lifeline:\n            raise NoAnswer("the connection was lost")\n', ""),
        ),
        f"{TEST_TRANSPORT}::test_a_reset_is_no_answer",
    ),
    without(
        "one connection a call",
        "what takes a connection for reusable sends a refund twice",
        Edit(TRANSPORT, '        if self._lifeline:\n            raise NoAnswer("the connection was lost")\n', ""),
        f"{TEST_TRANSPORT}::test_a_second_connection_of_one_call_is_never_made",
    ),
    without_both(
        "no redirects",
        "a refund is sent to where an answer points (not asked for, and no redirect is ever seen)",
        (
            Edit(TRANSPORT, "allow_redirects=False", "allow_redirects=True"),
            Edit(
                TRANSPORT,
                "class _WithoutRedirects(requests.Session):",
                "class _WithoutRedirects(requests.Session):\n    pass\n\n\nclass _Unused(requests.Session):",
            ),
        ),
        f"{TEST_TRANSPORT}::test_a_redirect_is_an_answer_and_is_not_followed",
    ),
    without(
        "no proxies and passwords of the environment",
        "calls to the bank go through whatever a variable names",
        Edit(TRANSPORT, "session.trust_env = False", "session.trust_env = True"),
        f"{TEST_TRANSPORT}::test_proxies_and_passwords_of_the_environment_are_not_used",
    ),
    without(
        "when in doubt a connection was made",
        "a refund that may have arrived is sent again at once",
        Edit(
            TRANSPORT,
            'return NoAnswer(f"the connection failed: {errors[-1].strerror}")',
            'return NeverConnected(f"the connection failed: {errors[-1].strerror}")',
        ),
        f"{TEST_TRANSPORT}::test_which_failed_connections_were_certainly_never_made",
    ),
    without(
        "nothing is sent past the deadline",
        "a request sets out when others take it for lost",
        Edit(TRANSPORT, "        self._call.check()\n        super().send(data)", "        super().send(data)"),
        f"{TEST_TRANSPORT}::test_a_handshake_that_ends_too_late_is_followed_by_nothing",
    ),
    without(
        "one deadline over the whole call",
        "an answer that drips outlives the lease",
        Edit(TRANSPORT, "        self._watchdog.start()\n", ""),
        f"{TEST_TRANSPORT}::test_the_deadline_covers_the_whole_call",
    ),
    without(
        "the server has to prove who it is",
        "anybody on the way answers for the bank",
        Edit(TRANSPORT, "session.verify = ca_file or True", "session.verify = False"),
        f"{TEST_TRANSPORT}::test_an_untrusted_certificate_is_no_answer",
    ),
)

MUTANTS = (*_CALL, *_ANSWER, *_TRANSPORT)
