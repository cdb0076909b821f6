"""Commands that are imported when they are looked up."""

from collections.abc import Iterator, Mapping
from pkgutil import resolve_name

import click


class Later(Mapping[str, click.Command]):
    """The commands of a group by their names, each at an address `module:name`.

    It is handed to the group in place of a dictionary: `--help` looks all of them up, everything else one.
    """

    def __init__(self, addresses: Mapping[str, str]) -> None:
        self._addresses = addresses

    def __getitem__(self, name: str) -> click.Command:
        command: click.Command = resolve_name(self._addresses[name])
        return command

    def __iter__(self) -> Iterator[str]:
        return iter(self._addresses)

    def __len__(self) -> int:
        return len(self._addresses)
