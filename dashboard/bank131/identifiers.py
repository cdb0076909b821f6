"""What can be an identifier of the bank's."""

import re
from typing import TypeGuard

_IDENTIFIER = re.compile(r"[\x21-\x7e]{1,100}")


def is_identifier(value: object) -> TypeGuard[str]:
    """Whether this can be an identifier of the bank's: 1 to 100 printable ASCII characters, no spaces."""
    return isinstance(value, str) and _IDENTIFIER.fullmatch(value) is not None
