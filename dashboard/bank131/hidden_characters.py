"""Characters that nobody sees, or that turn the text around them: two texts could look the same and be different."""

import json
import re

# Printable by name, and yet they leave no mark: joiners and fillers, variation selectors, the blank Braille pattern.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_TURNING = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
REPLACEMENT = "\ufffd"


def is_hidden(character: str) -> bool:
    """Whether a character is neither seen nor white space: controls, formats, zero width, what is no character."""
    return bool(_UNSEEN.match(character)) or not (character.isprintable() or character.isspace())


def shown(text: str) -> str:
    """The text with a mark in the place of each hidden character, and white space as simple spaces."""
    return "".join(REPLACEMENT if is_hidden(one) else " " if one.isspace() else one for one in text)


def escaped(text: str) -> str:
    """The text with each hidden character as its JSON escape (`\\u202e`); line breaks stay."""
    return "".join(json.dumps(one)[1:-1] if is_hidden(one) or one in "\u2028\u2029\x85" else one for one in text)


def unturned(text: str) -> str:
    """The text with what would turn the words around it as its JSON escape; what makes one emoji of several stays."""
    return _TURNING.sub(lambda found: json.dumps(found[0])[1:-1], text)
