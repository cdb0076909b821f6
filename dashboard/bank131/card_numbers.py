"""Card numbers in text: found by their length and check digit (ISO/IEC 7812), masked to the last four digits."""

import re
from collections.abc import Iterator

SHORTEST, LONGEST = 13, 19

# A UUID is matched first, so that the digits of one are never taken for a card number.
_UUID_OR_DIGITS = re.compile(
    r"(?P<uuid>(?<![\w-])[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?![\w-]))"
    r"|\d+(?:[\s\u00ad\u034f\u180e\u200b-\u200f\u2010-\u2015\u202a-\u202e\u2060-\u2069\u2212\ufe00-\ufe0f\ufeff\ufffd-]{1,3}\d+)*"
)
# In a JSON document inside a string, spaces and dashes beyond ASCII may stand as their escapes.
_ESCAPED_JOIN = re.compile(r"(?<=\d)\\u(00a0|00ad|20[0-6][0-9a-f]|2212|3000|fe0[0-9a-f]|feff)(?=\d)", re.IGNORECASE)
_GROUP = re.compile(r"\d+")


def mask_card_numbers(text: str) -> str:
    """`paid with 4242 4242 4242 4242` -> `paid with •••• 4242`.

    A card number is 13 to 19 digits that pass the Luhn check: one unbroken run, or whole groups of digits
    with spaces or dashes between them, be it as escapes of JSON.
    """
    text = _ESCAPED_JOIN.sub(lambda found: chr(int(found[1], 16)), text)
    masked = _UUID_OR_DIGITS.sub(_masked_match, text)
    while masked != text:
        text, masked = masked, _UUID_OR_DIGITS.sub(_masked_match, masked)
    return masked


def passes_luhn(digits: str) -> bool:
    """Whether the last digit is the Luhn check digit of those before it."""
    doubled = (int(digit) * 2 for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(d - 9 if d > 9 else d for d in doubled)) % 10 == 0


def _masked_match(found: re.Match[str]) -> str:
    text = found[0]
    if found["uuid"] or len(text) < SHORTEST:
        return text
    masked, kept_from = "", 0
    for start, end in _card_numbers(text):
        digits = "".join(_GROUP.findall(text, start, end))
        masked += f"{text[kept_from:start]}•••• {digits[-4:]}"
        kept_from = end
    return masked + text[kept_from:]


def _card_numbers(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of what could be card numbers, from the left, none inside another."""
    groups = [group.span() for group in _GROUP.finditer(text)]
    free_from = 0
    for first, (start, _) in enumerate(groups):
        end = _end_of_card_number(text, groups[first : first + LONGEST]) if start >= free_from else None
        if end is not None:
            yield start, end
            free_from = end


def _end_of_card_number(text: str, groups: list[tuple[int, int]]) -> int | None:
    """Where the longest card number ends that begins with the first of these groups of digits."""
    digits, longest_end = "", None
    for start, end in groups:
        digits += text[start:end]
        if len(digits) > LONGEST:
            break
        if len(digits) >= SHORTEST and passes_luhn(digits):
            longest_end = end
    return longest_end
