"""Guards at the bank's way in."""

from tests.mutation.mutant import Edit, without, without_both

INBOX_PY = "dashboard/webhook_inbox.py"
RECEIVER = "dashboard/web/webhooks.py"
SIGNATURE = "dashboard/bank131/signature.py"
TABLE = "dashboard/models/webhooks.py"
FIRST_SHAPE = "dashboard/migrations/versions/0001_start.py"

INBOX = "core/test_webhook_inbox.py"
WEB = "web/test_webhook.py"

_SIGNATURE = (
    without(
        "a webhook is signed",
        "anybody tells the desk what became of its refunds",
        Edit(RECEIVER, "    if not signature.verify(", "    if False and not signature.verify("),
        f"{WEB}::test_one_flipped_byte_of_the_body_changes_nothing",
    ),
    without(
        "the raw bytes are verified",
        "the signature is looked up over something that the bank never signed",
        Edit(
            RECEIVER,
            "body = request.get_data(cache=False, parse_form_data=False)",
            "body = current_app.json.dumps(request.get_json(force=True)).encode()",
        ),
        f"{WEB}::test_the_signature_is_over_the_raw_bytes",
    ),
    without(
        "nothing parses a body before it is verified",
        "a body that is called a form is empty",
        Edit(RECEIVER, "parse_form_data=False", "parse_form_data=True"),
        f"{WEB}::test_whatever_it_is_called",
    ),
    without(
        "the next key is good too",
        "webhooks are lost on the day that the bank changes its key",
        Edit(SIGNATURE, "for key in public_keys)", "for key in public_keys[:1])"),
        f"{WEB}::test_while_the_bank_changes_keys_both_are_good",
    ),
    without(
        "a wrong signature is wrong",
        "whatever is well spelt is believed",
        Edit(
            SIGNATURE,
            "    except InvalidSignature:\n        return False",
            "    except InvalidSignature:\n        return True",
        ),
        "bank131/test_signature.py::test_a_signature_verifies_over_its_own_bytes_only",
    ),
    without_both(
        "strict Base64",
        "one signature has many spellings (looked at while decoding, and again after it)",
        (
            Edit(SIGNATURE, "base64.b64decode(text, validate=True)", "base64.b64decode(text)"),
            Edit(
                SIGNATURE,
                'return decoded if base64.b64encode(decoded).decode("ascii") == text else b""',
                "return decoded",
            ),
        ),
        f"{WEB}::test_one_flipped_byte_of_the_signature_changes_nothing",
    ),
    without(
        "one spelling of Base64 only",
        "the unused bits of the last letter can be anything",
        Edit(
            SIGNATURE, 'return decoded if base64.b64encode(decoded).decode("ascii") == text else b""', "return decoded"
        ),
        "bank131/test_signature.py::test_another_spelling_of_a_good_signature_is_wrong",
    ),
    without(
        "the cap on a body",
        "one webhook fills the memory",
        Edit(RECEIVER, "if len(body) > MAX_BODY_BYTES:", "if False:"),
        f"{WEB}::test_a_body_over_one_mib_is_refused_unread",
    ),
)

_INBOX = (
    without_both(
        "the inbox keeps a body once",
        "what the bank sends again is taken in again",
        (
            Edit(TABLE, "digest: Mapped[str] = mapped_column(unique=True)", "digest: Mapped[str]"),
            Edit(
                FIRST_SHAPE, '        sa.UniqueConstraint("digest", name=op.f("uq_webhook_deliveries_digest")),\n', ""
            ),
        ),
        f"{INBOX}::test_the_same_body_again_is_counted_not_kept_twice",
    ),
    without(
        "one never applied is armed again",
        "what the bank sends again because it failed lies there for good",
        Edit(
            INBOX_PY,
            "    if delivery.applied_at is None:\n        delivery.next_try_at = now",
            "    if delivery.applied_at is None:\n        pass",
        ),
        f"{INBOX}::test_one_never_applied_is_armed_again",
    ),
    without(
        "one applied before asks for a read again",
        "a replay of an old body is all that the desk hears",
        Edit(INBOX_PY, "elif delivery.session_id is not None:", "elif False:"),
        f"{INBOX}::test_one_applied_before_asks_for_a_read_again",
    ),
    without(
        "a delivery is applied once",
        "it is taken in again, and again on record",
        Edit(INBOX_PY, "if delivery.applied_at is not None or delivery.body is None:", "if delivery.body is None:"),
        f"{INBOX}::test_it_is_applied_once_whoever_comes",
    ),
    without(
        "any delivery asks for a read",
        "a webhook's word is all there is",
        Edit(INBOX_PY, "    ledger.ask_read(session, desk.clock.now())\n    tx.record(", "    tx.record("),
        f"{WEB}::test_any_delivery_asks_for_a_read",
    ),
    without(
        "a failure is not written over what is applied",
        "a delivery that another has applied is tried again for good",
        Edit(
            INBOX_PY,
            "        if delivery.applied_at is None:\n            delivery.failures",
            "        if True:\n            delivery.failures",
        ),
        f"{INBOX}::test_one_that_failed_here_while_it_was_applied_elsewhere_is_done",
    ),
    without(
        "kept before it is answered with 200",
        "the bank takes a webhook for delivered that is nowhere",
        Edit(RECEIVER, 'return "not kept, send it again\\n", 503,', 'return "not kept, send it again\\n", 200,'),
        f"{WEB}::test_a_commit_that_fails_is_answered_with_503",
    ),
    without(
        "what is kept outlives a failure to apply it",
        "a defect of ours loses what the bank has told",
        Edit(
            RECEIVER,
            '        log.exception("webhook delivery %d is left to the worker", delivery_id)',
            "        raise",
        ),
        f"{WEB}::test_kept_but_not_applied_is_200_and_left_to_the_worker",
    ),
)

MUTANTS = (*_SIGNATURE, *_INBOX)
