"""The forms people fill in."""

from typing import Any

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import HiddenField, PasswordField, RadioField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]
from wtforms.validators import AnyOf, InputRequired, Length

from dashboard import money
from dashboard.bank131.card_numbers import mask_card_numbers
from dashboard.web import wording

FULL = "full"
PARTIAL = "partial"
LONGEST_COMMENT = 500


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

    amount_minor: int | None = None

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

    def _read_amount(self, currency: str) -> bool:
        try:
            self.amount_minor = money.parse_amount(self.amount.data or "", currency)
        except money.BadAmount as problem:
            if self.kind.data == FULL:
                return True
            self.amount.errors = [*self.amount.errors, wording.bad_amount(problem.code)]
            return False
        return True

    def blame_amount(self, sentence: str) -> None:
        """Say under the amount what is wrong with it."""
        self.amount.errors = [*self.amount.errors, sentence]

    def blame(self, sentence: str) -> None:
        """Say above the form what is wrong with it as a whole."""
        self.form_errors: list[Any] = [*self.form_errors, sentence]
