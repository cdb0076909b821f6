"""The forms people fill in."""

from collections.abc import Mapping
from dataclasses import astuple
from itertools import starmap
from typing import Any

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import BooleanField, HiddenField, PasswordField, RadioField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]
from wtforms.validators import AnyOf, DataRequired, InputRequired, Length, ValidationError

from dashboard import factors, money, notice_rules
from dashboard.bank131.card_numbers import mask_card_numbers
from dashboard.languages import LANGUAGES
from dashboard.limit_rules import ANY_CURRENCY, Limit
from dashboard.preferences import KEYS_OFF
from dashboard.web import wording

FULL = "full"
PARTIAL = "partial"
LONGEST_COMMENT = 500
LONGEST_REFERENCE = 36


def _at_most(length: int) -> Length:
    return Length(max=length, message=_l("At most %(max)d characters."))


def _one_of(values: tuple[str, ...], sentence: LazyString) -> list[Any]:
    return [InputRequired(sentence), AnyOf(values, sentence)]


def _tidy(comment: str | None) -> str:
    """Line breaks as one character each, and no card number that slipped into it."""
    return mask_card_numbers((comment or "").strip().replace("\r\n", "\n"))


class SignInForm(FlaskForm):  # type: ignore[misc]
    """E-mail address and password."""

    email = StringField(_l("E-mail"), [InputRequired(_l("Type your e-mail address.")), _at_most(254)])
    password = PasswordField(_l("Password"), [InputRequired(_l("Type your password.")), _at_most(1000)])
    next = HiddenField()


class ProofForm(FlaskForm):  # type: ignore[misc]
    """How somebody proves who they are: a code, a passkey's answer to a challenge, or the password."""

    proof_code = StringField(_l("Code"), [_at_most(100)])
    proof_password = PasswordField(_l("Your password"), [_at_most(1000)])
    proof_challenge = HiddenField()
    proof_answer = HiddenField()


class AppForm(FlaskForm):  # type: ignore[misc]
    """The first code of an authenticator app, and the secret that it was shown, sealed."""

    code = StringField(_l("Code that the app shows"), [InputRequired(_l("Type the code."))])
    sealed = HiddenField()


class PasskeyForm(FlaskForm):  # type: ignore[misc]
    """A passkey that the browser has just made, and what to call it."""

    name = StringField(
        _l("What to call it"), [_at_most(factors.LONGEST_NAME)], filters=[lambda name: (name or "").strip()]
    )
    challenge = HiddenField()
    answer = HiddenField()


class NewPasswordForm(FlaskForm):  # type: ignore[misc]
    """A password to be; what it has to be like is said by `passwords`."""

    password = PasswordField(_l("New password"), [InputRequired(_l("Type a new password."))])


def _behind_the_hash(text: str | None) -> str:
    """The code of a link, whether it was typed alone or with the whole link around it."""
    return (text or "").strip().rpartition("#")[2]


class LinkForm(FlaskForm):  # type: ignore[misc]
    """The code of a link that sets a password."""

    code = StringField(
        _l("The code of your link"),
        [InputRequired(_l("Paste your link.")), _at_most(1000)],
        filters=[_behind_the_hash],
        render_kw={"autocapitalize": "none", "spellcheck": "false"},
    )


class LinkPasswordForm(NewPasswordForm):
    """A password to be, by whoever has the code of a link."""

    code = HiddenField()


class ChangePasswordForm(NewPasswordForm):
    """Another password, by whoever knows the old one."""

    old = PasswordField(_l("Your password now"), [InputRequired(_l("Type your password.")), _at_most(1000)])


class PreferencesForm(FlaskForm):  # type: ignore[misc]
    """How somebody wants to see the desk; nothing chosen leaves it to the browser, the desk and the system."""

    language = SelectField(
        _l("Language"),
        choices=[SelectChoice("", _l("As the browser asks")), *starmap(SelectChoice, LANGUAGES.items())],
        validate_choice=False,
    )
    timezone = SelectField(_l("Time zone"), validate_choice=False)
    theme = SelectField(
        _l("Colours"),
        choices=[
            SelectChoice("", _l("As the system has them")),
            SelectChoice("light", _l("Light")),
            SelectChoice("dark", _l("Dark")),
        ],
        validate_choice=False,
    )
    keys = SelectField(
        _l("Keys of one letter"),
        choices=[SelectChoice("", _l("On: ? shows them")), SelectChoice(KEYS_OFF, _l("Off"))],
        validate_choice=False,
    )


class NoticesForm(FlaskForm):  # type: ignore[misc]
    """What somebody wants to hear of by mail: a field for each choice of `notice_rules`, by its name."""

    def chosen(self) -> list[str]:
        return [choice for choice in notice_rules.NEEDS if self[choice].data]


for _choice, (_name, _meaning) in wording.NOTICES.items():
    setattr(NoticesForm, _choice, BooleanField(_name, description=_meaning))


class RoleForm(FlaskForm):  # type: ignore[misc]
    """What somebody may do."""

    role = SelectField(
        _l("Role"),
        choices=[SelectChoice(role, role_name) for role, role_name in wording.ROLES.items()],
        validate_choice=False,
        validators=_one_of(tuple(wording.ROLES), _l("Choose a role.")),
    )


class InviteForm(RoleForm):
    """Who is to have an account."""

    email = StringField(_l("E-mail"), [InputRequired(_l("Type an e-mail address.")), _at_most(254)])


class DecisionForm(FlaskForm):  # type: ignore[misc]
    """Why somebody agrees with what was proposed, or takes it back; nothing has to be said."""

    comment = TextAreaField(_l("Comment"), [_at_most(LONGEST_COMMENT)], filters=[_tidy])


class ReasonedForm(FlaskForm):  # type: ignore[misc]
    """Why, in words that others will read."""

    comment = TextAreaField(
        _l("Comment"), [DataRequired(_l("Write down why.")), _at_most(LONGEST_COMMENT)], filters=[_tidy]
    )


class ProposalForm(ReasonedForm):
    """What became of a refund. `choice`: a choice of `refund_rules`, for `that_one` with a colon and a bank id."""

    choice = StringField(validators=[InputRequired(_l("Choose what became of it."))])

    @property
    def what(self) -> tuple[str, str | None]:
        """The choice, and the bank id where there is one."""
        choice, _colon, bank_id = (self.choice.data or "").partition(":")
        return choice, bank_id or None


class LimitForm(FlaskForm):  # type: ignore[misc]
    """How much one person may refund alone in a currency; what is left empty is no limit."""

    at_once_up_to = StringField(_l("One person alone, up to"))
    approved_up_to = StringField(_l("With somebody's approval, up to"))
    alone_a_day = StringField(_l("One person alone within 24 hours, in all"))
    asked_above = StringField(_l("Whoever asks shows once more who they are, above"))

    def fill_in(self, currency: str, limit: Limit) -> None:
        """What is set now."""
        for field, amount_minor in zip(self._amounts(), astuple(limit), strict=True):
            field.data = "" if amount_minor is None else money.major(amount_minor, currency)

    def limit(self, currency: str) -> Limit | None:
        """What was typed; None where something cannot be used, which the fields say in words."""
        read = [self._read(field, currency) for field in self._amounts()]
        return None if any(field.errors for field in self._amounts()) else Limit(*read)

    def _amounts(self) -> tuple[StringField, ...]:
        return self.at_once_up_to, self.approved_up_to, self.alone_a_day, self.asked_above

    def _read(self, field: StringField, currency: str) -> int | None:
        """Nothing is no limit, and zero is one."""
        text = (field.data or "").strip()
        if not text or not text.strip("0.,"):
            return 0 if text else None
        try:
            return money.parse_amount(text, currency)
        except money.BadAmount as problem:
            field.errors = [*field.errors, wording.bad_limit_amount(problem.code)]
            return None

    def blame(self, sentence: str) -> None:
        """Say above the form what is wrong with it as a whole."""
        self.form_errors: list[Any] = [*self.form_errors, sentence]


class NewLimitForm(LimitForm):
    """The same for a currency that has none yet."""

    currency = StringField(
        _l("Currency"),
        [InputRequired(_l("Type a currency, such as RUB, or * for all others.")), _at_most(8)],
        filters=[lambda text: (text or "").strip().lower()],
    )

    def validate_currency(self, field: StringField) -> None:
        """Three or four letters, or what stands for all others."""
        text = field.data or ""
        if text != ANY_CURRENCY and not (text.isascii() and text.isalpha() and len(text) in (3, 4)):
            raise ValidationError(_l("Type a currency, such as RUB, or * for all others."))


class RefundForm(FlaskForm):  # type: ignore[misc]
    """How much to refund and why. `amount_minor` is set once `amount` was understood."""

    kind = RadioField(
        choices=[SelectChoice(FULL), SelectChoice(PARTIAL)],
        validate_choice=False,
        validators=_one_of((FULL, PARTIAL), _l("Choose how much to refund.")),
    )
    amount = StringField(_l("Amount"))
    reason = SelectField(
        _l("Reason"),
        choices=[
            SelectChoice("", _l("Choose a reason")),
            *(SelectChoice(code, words) for code, words in wording.REASONS.items()),
        ],
        validate_choice=False,
        validators=_one_of(tuple(wording.REASONS), _l("Choose a reason.")),
    )
    comment = TextAreaField(_l("Comment"), [_at_most(LONGEST_COMMENT)], filters=[_tidy])
    form_token = HiddenField()
    replaces = HiddenField(filters=[lambda reference: (reference or "").strip()[:LONGEST_REFERENCE] or None])

    amount_minor: int | None = None

    def fill_in(self, typed: Mapping[str, str]) -> None:
        """What was typed or chosen before; a full refund where nothing was. No comment is taken from an address."""
        self.kind.data = PARTIAL if typed.get("kind") == PARTIAL else FULL
        self.amount.data = typed.get("amount", "")[:40] if self.kind.data == PARTIAL else ""
        self.reason.data = typed.get("reason") if typed.get("reason") in wording.REASONS else ""
        self.replaces.data = typed.get("replaces", "").strip()[:LONGEST_REFERENCE] or None

    def check(self, currency: str, *, is_confirmed: bool) -> bool:
        """Whether everything that was typed can be used; the fields hold what cannot, in words.

        The amount beside a full refund counts once it was shown for confirmation; before, it may be what was
        typed earlier for a part.
        """
        is_valid = bool(self.validate_on_submit())
        shown_in_full = self.kind.data == FULL and is_confirmed and (self.amount.data or "").strip()
        if self.kind.data == PARTIAL or shown_in_full:
            return self._read_amount(currency) and is_valid
        return is_valid

    def asks_for_another(self, amount_minor: int, currency: str, reason: str, comment: str) -> bool:
        """Whether what was typed is not the refund that this form has made already.

        A full refund's amount is compared where the confirmation has put it beside.
        """
        if (self.reason.data, self.comment.data or "") != (reason, comment):
            return True
        if self.kind.data == FULL and not (self.amount.data or "").strip():
            return False
        try:
            return money.parse_amount(self.amount.data or "", currency) != amount_minor
        except money.BadAmount as problem:
            return problem.code != "no_major_units"

    def _read_amount(self, currency: str) -> bool:
        try:
            self.amount_minor = money.parse_amount(self.amount.data or "", currency)
        except money.BadAmount as problem:
            self.amount_minor = self._confirmed_minor_units() if problem.code == "no_major_units" else None
            if self.amount_minor is None:
                self.blame_amount(wording.bad_amount(problem.code))
        return self.amount_minor is not None

    def _confirmed_minor_units(self) -> int | None:
        """The amount of a full refund in a currency without listed decimals, as the confirmation carried it."""
        text = (self.amount.data or "").strip()
        is_amount = self.kind.data == FULL and text.isascii() and text.isdecimal() and len(text) <= 15 and int(text) > 0
        return int(text) if is_amount else None

    def blame_amount(self, sentence: str) -> None:
        """Say under the amount what is wrong with it."""
        self.amount.errors = [*self.amount.errors, sentence]

    def blame(self, sentence: str) -> None:
        """Say above the form what is wrong with it as a whole."""
        self.form_errors: list[Any] = [*self.form_errors, sentence]
