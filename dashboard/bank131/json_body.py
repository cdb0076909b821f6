"""JSON bodies from outside, read strictly: one meaning or none."""

import json
import math
import re

MAX_DEPTH = 64

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class UnreadableObject(ValueError):
    """What the bank sent does not have the documented shape; str() says where in one line."""


def read_json(body: bytes) -> object:
    """The value of a JSON document in UTF-8. Raises UnreadableObject.

    Refused, since it could be read in two ways or not at all: a name that comes twice in one object, NaN and
    infinities, nesting deeper than MAX_DEPTH, bytes that are no UTF-8. NUL and lone surrogates inside strings,
    which no database takes, become U+FFFD.
    """
    try:
        value = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_object_of_distinct_names,
            parse_constant=_no_such_number,
            parse_float=_finite,
        )
    except UnicodeDecodeError:
        raise UnreadableObject("not UTF-8") from None
    except json.JSONDecodeError as error:
        raise UnreadableObject(f"not JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise UnreadableObject("JSON nested too deeply") from None
    except UnreadableObject:
        raise
    except ValueError:
        raise UnreadableObject("a number in the JSON has too many digits") from None
    return _storable(value, MAX_DEPTH)


def _object_of_distinct_names(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise UnreadableObject("a name comes twice in one JSON object")
    return fields


def _no_such_number(name: str) -> float:
    raise UnreadableObject(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise UnreadableObject("a number in the JSON is too large")
    return number


def _storable(value: object, depth_left: int) -> object:
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if not isinstance(value, dict | list):
        return value
    if depth_left == 0:
        raise UnreadableObject("JSON nested too deeply")
    if isinstance(value, list):
        return [_storable(item, depth_left - 1) for item in value]
    return {_UNSTORABLE.sub("\ufffd", name): _storable(item, depth_left - 1) for name, item in value.items()}
