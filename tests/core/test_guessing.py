"""Limits against guessing hold in parallel, by whatever things are counted by."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from dashboard import guessing, known_browsers, passwords, people, signing_in
from dashboard.desk import Desk
from dashboard.guessing import Limit, TooManyAttempts
from dashboard.models import Guess, SignIn
from tests.bench.databases import on_both, on_sqlite
from tests.bench.refund_desk import PASSWORD, RefundDesk

ANNA = "anna@desk.test"
ADDRESS = "192.0.2.7"
FEW = Limit("code:account", ANNA, 3)


def try_to(desk: Desk, *limits: Limit) -> bool:
    try:
        guessing.reserve(desk, *limits)
    except TooManyAttempts:
        return False
    return True


def counts(desk: Desk) -> dict[str, int]:
    with desk.read() as session:
        return {guess.bucket: guess.count for guess in session.scalars(select(Guess))}


@on_both
def test_many_at_once_do_not_pass_the_limit(desk: Desk) -> None:
    together = threading.Barrier(8)

    def guess(_number: int) -> bool:
        together.wait()
        return try_to(desk, FEW)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(guess, range(8))) == 3


@on_both
@pytest.mark.parametrize("password", ["wrong password", PASSWORD])
def test_many_passwords_at_once_are_looked_at_no_more_often_than_the_limit_says(
    refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    monkeypatch.setattr(guessing, "ACCOUNT_FAILURES", 3)
    refund_desk.person(email=ANNA)
    together, looked_at = threading.Barrier(8), []
    all_are_through = threading.Event()

    def fits(_password: str, _hash: str) -> bool:
        looked_at.append(1)
        all_are_through.wait(1)
        return False

    monkeypatch.setattr(passwords, "fits", fits)

    def attempt(_number: int) -> str:
        together.wait()
        try:
            signing_in.sign_in(refund_desk.desk, ANNA, password, ADDRESS)
        except (signing_in.WrongSignIn, TooManyAttempts) as refused:
            return type(refused).__name__
        return "signed in"

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(attempt, range(8)))
    assert sorted(answers) == ["TooManyAttempts"] * 5 + ["WrongSignIn"] * 3
    assert len(looked_at) == 3


def test_a_full_limit_counts_nothing_in_the_others_and_ends(desk: Desk, refund_desk: RefundDesk) -> None:
    other = Limit("code:address", ADDRESS, 50)
    assert [try_to(desk, FEW, other) for _ in range(5)] == [True, True, True, False, False]
    assert counts(desk) == {FEW.bucket: 3, other.bucket: 3}
    refund_desk.clock.advance(guessing.WINDOW.total_seconds() - 1)
    with pytest.raises(TooManyAttempts) as refused:
        guessing.reserve(desk, FEW)
    assert refused.value.retry_after_s == 1
    refund_desk.clock.advance(1)
    assert try_to(desk, FEW)
    assert counts(desk) == {FEW.bucket: 1}, "what limits nothing any more is forgotten"


def test_a_right_guess_is_given_back_or_forgives_those_before(desk: Desk) -> None:
    other = Limit("code:address", ADDRESS, 50)
    for _ in range(2):
        guessing.reserve(desk, FEW, other)
    with desk.write() as tx:
        guessing.forgive(tx, FEW)
        guessing.give_back(tx, other)
    assert counts(desk) == {other.bucket: 1}


@on_sqlite
def test_kinds_of_guesses_do_not_share_a_limit(desk: Desk) -> None:
    assert all(try_to(desk, Limit("password:account", ANNA, 3)) for _ in range(3))
    assert try_to(desk, FEW)


@pytest.mark.parametrize(
    ("address", "counted_as"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", ""),
        ("unix socket", "unix socket"),
    ],
)
def test_an_ipv6_address_is_counted_as_its_network(address: str, counted_as: str) -> None:
    assert guessing.network_of(address) == counted_as


def test_every_refused_sign_in_takes_the_same_work(refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk, verified = refund_desk.desk, []
    for email in (ANNA, "disabled@desk.test", "invited@desk.test"):
        refund_desk.person(email=email)
    people.disable(desk, "disabled@desk.test", actor="test")
    with desk.write() as tx:
        invited = people.find(tx, "invited@desk.test")
        assert invited is not None
        invited.password_hash = ""
    hasher = passwords._hasher

    class Counting:
        def verify(self, password_hash: str, password: str) -> bool:
            verified.append(password_hash.rsplit("$", 2)[0])
            return hasher.verify(password_hash, password)

    monkeypatch.setattr(passwords, "_hasher", Counting())
    for email in ("nobody@desk.test", "disabled@desk.test", "invited@desk.test", ANNA):
        with pytest.raises(signing_in.WrongSignIn):
            signing_in.sign_in(desk, email, PASSWORD if email != ANNA else "wrong password", ADDRESS)
    assert len(verified) == 4
    assert len(set(verified)) == 1, "with the same parameters"


def test_a_browser_is_known_for_the_accounts_that_were_signed_in_to_there() -> None:
    secret = ("a secret",)
    cookie = known_browsers.remember("", ANNA, secret)
    both = known_browsers.remember(cookie, "boris@desk.test", secret)
    name = known_browsers.name_of(cookie, f" {ANNA.upper()} ", secret)
    assert name
    assert known_browsers.name_of(both, ANNA, secret) == name
    assert known_browsers.name_of(both, "boris@desk.test", secret) not in {"", name}
    for cookie_text, email, key in (
        (cookie, "boris@desk.test", secret),
        (cookie, ANNA, ("another",)),
        ("x", ANNA, secret),
    ):
        assert known_browsers.name_of(cookie_text, email, key) == ""
    for number in range(5):
        both = known_browsers.remember(both, f"{number}@desk.test", secret)
    assert known_browsers.name_of(both, ANNA, secret) == "", "a cookie does not grow for ever"


@pytest.mark.parametrize("how", ["disabled", "another"])
def test_what_happens_while_a_password_is_looked_at_counts(
    refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Whoever knows the old password is not let in by having been a moment earlier."""
    person, fits = refund_desk.person(), passwords.fits

    def meanwhile(password: str, password_hash: str) -> bool:
        monkeypatch.setattr(passwords, "fits", fits)
        if how == "disabled":
            people.disable(refund_desk.desk, person.email, actor="admin@desk.test")
        else:
            people.set_password(refund_desk.desk, person.email, "a new one for the desk", actor="command line")
        return fits(password, password_hash)

    monkeypatch.setattr(passwords, "fits", meanwhile)
    with pytest.raises(signing_in.WrongSignIn):
        signing_in.sign_in(refund_desk.desk, person.email, PASSWORD, "127.0.0.1")
    with refund_desk.desk.read() as session:
        assert session.query(SignIn).count() == 0
