"""A list of leaked passwords is looked up where it lies, and what is none is told at once."""

from itertools import pairwise
from pathlib import Path

import pytest

from dashboard import leaked_passwords
from dashboard.leaked_passwords import UnusableList
from tests.bench.leaked import hash_of, write_list

MANY = [f"password {number}" for number in range(1000)]
IN_ORDER = sorted(MANY, key=hash_of)


@pytest.fixture(params=[(True, "\n"), (True, "\r\n"), (False, "\n"), (False, "\r\n")], ids=repr)
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A thousand of them, in each form that such a file has."""
    counts, end = request.param
    return write_list(tmp_path / "leaked.txt", MANY, counts=counts, end=end)


def test_the_first_the_last_and_all_between_are_found(file: Path) -> None:
    leaked_passwords.look_over(file)
    assert [one for one in IN_ORDER if not leaked_passwords.has(file, one)] == []
    assert leaked_passwords.has(file, IN_ORDER[0])
    assert leaked_passwords.has(file, IN_ORDER[-1])


def test_no_other_is(file: Path) -> None:
    others = [f"other {number}" for number in range(3000)]
    first, last = hash_of(IN_ORDER[0]), hash_of(IN_ORDER[-1])
    assert min(map(hash_of, others)) < first, "one before the first"
    assert max(map(hash_of, others)) > last, "and one after the last"
    assert [one for one in others if leaked_passwords.has(file, one)] == []


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("counts", [True, False])
def test_a_list_may_be_as_short_as_one_line(tmp_path: Path, number: int, counts: bool) -> None:
    some = write_list(tmp_path / "leaked.txt", MANY[:number], counts=counts)
    assert [one for one in MANY if leaked_passwords.has(some, one)] == MANY[:number]
    some.write_bytes(some.read_bytes().removesuffix(b"\n"))
    assert [one for one in MANY if leaked_passwords.has(some, one)] == MANY[:number], "without an end of the last line"
    assert leaked_passwords.look_over(some).size == some.stat().st_size


def test_digits_in_lower_case_are_the_same(tmp_path: Path) -> None:
    file = write_list(tmp_path / "leaked.txt", MANY)
    file.write_bytes(file.read_bytes().lower())
    assert leaked_passwords.has(file, IN_ORDER[500])


def test_it_takes_a_few_dozen_reads_however_long_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Halves of the bytes: twice as many lines are one look more."""
    looks: list[int] = []
    look = leaked_passwords._hash_after
    monkeypatch.setattr(leaked_passwords, "_hash_after", lambda *given: looks.append(1) or look(*given))
    needed = []
    for number in (1000, 2000, 4000, 8000):
        file = write_list(tmp_path / "leaked.txt", [f"password {each}" for each in range(number)])
        looks.clear()
        assert leaked_passwords.has(file, "password 7")
        needed.append(len(looks))
    assert max(needed) < 24
    assert max(later - sooner for sooner, later in pairwise(needed)) <= 2


def test_a_newer_file_in_its_place_counts_at_once(tmp_path: Path) -> None:
    file = write_list(tmp_path / "leaked.txt", MANY[:10])
    assert not leaked_passwords.has(file, MANY[20])
    write_list(tmp_path / "newer.txt", MANY[:30]).replace(file)
    assert leaked_passwords.has(file, MANY[20])


SORTED = b"".join(f"{hash_of(one)}\n".encode() for one in IN_ORDER)
OTHER_HASH = b"".join(line[8:] + b"\n" for line in SORTED.splitlines())


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b"\n", "has lines that are no SHA-1 in 40 hex digits, alone or with a colon and a number"),
        (b"123456\npassword\nqwerty\n", "has lines that are no SHA-1"),
        (OTHER_HASH, "has lines that are no SHA-1"),
        (SORTED + b"the end\n", "has lines that are no SHA-1"),
        (SORTED + b"\n", "has lines that are no SHA-1"),
        (SORTED[:-3], "has lines that are no SHA-1"),
        (b"\xef\xbb\xbf" + SORTED, "has lines that are no SHA-1"),
        (b"0" * 10**6, "has lines that are longer than a hash and a number"),
        (bytes(range(256)) * 1000, "has lines that are "),
        (b"".join(f"{hash_of(one)}:1\n".encode() for one in MANY), "is not in the order of its hashes"),
        (
            b"".join(f"{hash_of(one)}:1\n".encode() for one in reversed(IN_ORDER)),
            "take the list that is sorted by hash",
        ),
    ],
    ids=range(12),
)
def test_what_is_no_such_list_is_told_before_anybody_needs_it(tmp_path: Path, content: bytes, why: str) -> None:
    file = tmp_path / "leaked.txt"
    file.write_bytes(content)
    with pytest.raises(UnusableList) as told:
        leaked_passwords.look_over(file)
    assert str(told.value).startswith(f"DASHBOARD_LEAKED_PASSWORDS_FILE: {file} ")
    assert why in str(told.value)
    assert "\n" not in str(told.value)


def test_a_file_that_is_not_there_or_cannot_be_read_is_told(tmp_path: Path) -> None:
    missing = tmp_path / "leaked.txt"
    for look in (leaked_passwords.look_over, lambda file: leaked_passwords.has(file, "any password")):
        with pytest.raises(UnusableList, match=r"there is no file .*leaked\.txt$"):
            look(missing)
        with pytest.raises(UnusableList, match=r"cannot be read: Is a directory$"):
            look(tmp_path)
