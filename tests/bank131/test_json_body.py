"""Bodies from outside: one meaning or none."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.bank131.json_body import MAX_DEPTH, UnreadableObject, read_json

storable_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | storable_text,
    lambda values: st.lists(values, max_size=3) | st.dictionaries(storable_text, values, max_size=3),
    max_leaves=10,
)


@given(json_values)
def test_any_json_value_is_read_as_it_is(value: Any) -> None:
    assert read_json(json.dumps(value).encode()) == value
    assert read_json(json.dumps(value, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON"),
        (b" ", "not JSON"),
        (b"<html>502 Bad Gateway</html>", "not JSON"),
        (b'{"status": "ok"', "not JSON"),
        (b"{} {}", "not JSON"),
        (b"{'a': 1}", "not JSON"),
        (b'{"a": "\n"}', "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'{"a": "\xed\xa0\x80"}', "not UTF-8"),
        (b'{"a": NaN}', "NaN is not a JSON number"),
        (b"[Infinity]", "Infinity is not a JSON number"),
        (b"-Infinity", "-Infinity is not a JSON number"),
        (b"[1e999]", "too large"),
        (b"[-1e999]", "too large"),
        (b"1" * 5000, "too many digits"),
        (b'{"status": "ok", "status": "error"}', "comes twice"),
        (b'{"a": {"b": 1, "\\u0062": 2}}', "comes twice"),
        (b"[" * 100_000, "too deeply"),
        (b"[" * 100_000 + b"]" * 100_000, "too deeply"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "too deeply"),
    ],
)
def test_what_is_refused(body: bytes, reason: str) -> None:
    with pytest.raises(UnreadableObject, match=reason) as refused:
        read_json(body)
    assert "\n" not in str(refused.value)


def test_nesting_is_read_down_to_a_fixed_depth() -> None:
    assert read_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    with pytest.raises(UnreadableObject, match="too deeply"):
        read_json(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1))


def test_characters_that_no_database_takes_are_replaced() -> None:
    body = rb'{"a\u0000": ["x\ud800y", "\ud83d\ude00"]}'
    assert read_json(body) == {"a\ufffd": ["x\ufffdy", "\U0001f600"]}


@given(st.binary(max_size=100) | st.text(alphabet='{}[]":,0123456789.eE+-\\u tfn', max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    assert _is_storable_or_refused(body)


def _is_storable_or_refused(body: bytes) -> bool:
    try:
        value = read_json(body)
    except UnreadableObject:
        return True
    return bool(json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8"))
