"""Whether a library is past the times that the manual gives: `python -m tests.components [NAME …]`.

Asks the package index that pip is set to use about each pin of `.ci/constraints.txt`. Run it where the product and its
tests are installed. It ends with 0 when none is past its time, 1 when one is, and 2 when not everything could be asked.
"""

import argparse
import ast
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import requests
from packaging.requirements import Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

PINS = Path(__file__).parent.parent / ".ci" / "constraints.txt"
OURS = "bank131-refund-desk"
UP_TO_DATE_WITHIN = timedelta(days=90)
MENDED_WITHIN = timedelta(days=3)
LESSER_MENDED_WITHIN = timedelta(days=30)
SIMPLE_JSON = "application/vnd.pypi.simple.v1+json"
ANY = SpecifierSet()
TIMEOUT_S = 30
NONE_PAST, ONE_PAST, NOT_ALL_ASKED = 0, 1, 2


class NoIndex(Exception):
    """Nothing can be asked; str() says why in one line."""


class NotTold(Exception):
    """The index does not tell something of one component; str() says what."""


@dataclass(frozen=True)
class Release:
    """One version of a component; `at`: when its first file came."""

    version: Version
    at: datetime
    is_yanked: bool
    fits_python: bool


@dataclass(frozen=True)
class Weakness:
    """A known one of a version, by all its names, with the versions that mend it."""

    names: tuple[str, ...]
    fixed_in: tuple[Version, ...]


@dataclass
class Finding:
    """What is to be said of one component: `past` its time, `not_told` by the index, and all else."""

    name: str
    pinned: Version
    past: list[str] = field(default_factory=list)
    not_told: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def line(self) -> str:
        words = [*(f"PAST ITS TIME: {one}" for one in self.past), *(f"NOT TOLD: {one}" for one in self.not_told)]
        return f"{self.name:<28} {self.pinned!s:<18} {'; '.join([*words, *self.told])}"


# Which index


def index_of_pip() -> tuple[str, str | None]:
    """The address that pip is set to use, and the file of authorities if it has one of its own. Raises NoIndex."""
    settings = _settings_of_pip()
    if settings.get("no-index", "") not in {"", "0", "false", "no", "off"}:
        raise NoIndex("pip is set to use no index (no-index)")
    url = settings.get("index-url") or _default_of_pip()
    if not url:
        raise NoIndex("pip does not say which index it uses: set PIP_INDEX_URL")
    return url.rstrip("/"), settings.get("cert")


def _settings_of_pip() -> dict[str, str]:
    """For an installation: the environment counts before what is for that command, and that before what is global."""
    found: dict[str, str] = {}
    lines = _pip("config", "list").splitlines()
    for section in ("global", "install", ":env:"):
        for line in lines:
            name, _, value = line.partition("=")
            if name.startswith(f"{section}."):
                found[name.removeprefix(f"{section}.")] = str(ast.literal_eval(value))
    return found


def _default_of_pip() -> str:
    """It stands in pip's own help alone."""
    found = re.search(r"--index-url <url>\s.*?\(default (\S+)\)", _pip("install", "--help"), re.DOTALL)
    return found[1] if found else ""


def _pip(*arguments: str) -> str:
    command = [sys.executable, "-m", "pip", *arguments]
    environ = {**os.environ, "COLUMNS": "1000"}
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout


# What it tells


class Index:
    """A package index that speaks JSON (PEP 691 and 700)."""

    def __init__(self, url: str, authorities: str | None = None) -> None:
        self._url = url
        self._session = requests.Session()
        if authorities:
            self._session.verify = authorities

    def releases(self, name: str) -> list[Release]:
        """Raises NoIndex, NotTold."""
        answer = self._get(f"{self._url}/{name}/", SIMPLE_JSON)
        if answer.status_code == requests.codes.not_found:
            raise NotTold("the index does not have it")
        if answer.status_code != requests.codes.ok:
            raise NoIndex(f"the index answers with {answer.status_code}")
        if not answer.headers.get("Content-Type", "").startswith(SIMPLE_JSON):
            raise NoIndex("the index does not speak JSON (PEP 691)")
        return _read(answer, _releases_in)

    def weaknesses(self, name: str, version: Version) -> list[Weakness]:
        """Known ones of this version. Raises NoIndex, NotTold."""
        page = f"{self._url.removesuffix('/simple')}/pypi/{name}/{version}/json"
        answer = self._get(page, "application/json")
        if answer.status_code != requests.codes.ok or "json" not in answer.headers.get("Content-Type", ""):
            raise NotTold("weaknesses")
        return _read(answer, _weaknesses_in)

    def _get(self, url: str, kind: str) -> requests.Response:
        try:
            return self._session.get(url, headers={"Accept": kind}, timeout=TIMEOUT_S)
        except requests.RequestException as problem:
            # Its words may hold the address, and that a password.
            raise NoIndex(f"the index cannot be reached ({type(problem).__name__})") from problem


def _read(answer: requests.Response, read: Callable[[Any], Any]) -> Any:
    try:
        return read(answer.json())
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise NoIndex(f"the index gives an answer that cannot be read ({type(problem).__name__})") from problem


def _releases_in(page: Mapping[str, Any]) -> list[Release]:
    by_version: dict[Version, list[Mapping[str, Any]]] = defaultdict(list)
    for file in page["files"]:
        if (version := _version_of(file["filename"])) is not None:
            by_version[version].append(file)
    if not all("upload-time" in file for files in by_version.values() for file in files):
        raise NotTold("when its files came (PEP 700)")
    return [_release(version, files) for version, files in by_version.items()]


def _version_of(filename: str) -> Version | None:
    """None: nothing that pip would install."""
    with suppress(InvalidWheelFilename, InvalidSdistFilename, InvalidVersion):
        return parse_wheel_filename(filename)[1] if filename.endswith(".whl") else parse_sdist_filename(filename)[1]
    return None


def _release(version: Version, files: Sequence[Mapping[str, Any]]) -> Release:
    kept = [file for file in files if file.get("yanked", False) is False]
    return Release(
        version,
        at=min(datetime.fromisoformat(file["upload-time"]) for file in files),
        is_yanked=not kept,
        fits_python=any(_fits(file.get("requires-python")) for file in kept),
    )


def _fits(pythons: str | None) -> bool:
    with suppress(InvalidSpecifier):
        return SpecifierSet(pythons or "").contains(".".join(map(str, sys.version_info[:3])))
    return True


def _weaknesses_in(page: Mapping[str, Any]) -> list[Weakness]:
    return [
        Weakness((one["id"], *one.get("aliases", [])), tuple(map(Version, one["fixed_in"])))
        for one in page["vulnerabilities"]
        if not one.get("withdrawn")
    ]


# What others hold back


@cache
def held_back() -> dict[str, SpecifierSet]:
    """By component, what the other installed libraries allow; what we ourselves allow holds nothing back."""
    found: dict[str, SpecifierSet] = defaultdict(SpecifierSet)
    for library in distributions():
        if canonicalize_name(library.metadata["Name"]) != OURS:
            for requirement in map(Requirement, library.requires or []):
                if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                    found[canonicalize_name(requirement.name)] &= requirement.specifier
    return dict(found)


# What follows


def judge(
    name: str,
    pinned: Version,
    releases: Collection[Release],
    weaknesses: Iterable[Weakness],
    *,
    now: datetime,
    allowed: SpecifierSet = ANY,
    lesser: Collection[str] = (),
) -> Finding:
    """`lesser`: names of weaknesses that let nobody in, pay or read. Nothing is known of the others, so they hurry."""
    finding = Finding(name, pinned)
    known = {release.version: release for release in releases}
    if pinned not in known:
        finding.not_told.append("the index does not have this version")
    elif known[pinned].is_yanked:
        finding.past.append("it was taken back (yanked)")
    _judge_age(finding, releases, allowed, now)
    for weakness in weaknesses:
        _judge_weakness(finding, weakness, known, lesser, now)
    return finding


def _judge_age(finding: Finding, releases: Iterable[Release], allowed: SpecifierSet, now: datetime) -> None:
    newer = [
        one
        for one in releases
        if one.version > finding.pinned and one.fits_python and not one.is_yanked and not one.version.is_prerelease
    ]
    takable = [one for one in newer if allowed.contains(one.version)]
    if takable:
        since, newest = min(one.at for one in takable), max(one.version for one in takable)
        words = f"{newest} is the newest, a newer one is out since {since:%Y-%m-%d} ({(now - since).days} days)"
        (finding.past if now - since > UP_TO_DATE_WITHIN else finding.told).append(words)
    elif newer:
        newest = max(one.version for one in newer)
        finding.told.append(f"{newest} is out, which another library does not take ({allowed})")
    elif not finding.not_told:
        finding.told.append("the newest")


def _judge_weakness(
    finding: Finding, weakness: Weakness, known: Mapping[Version, Release], lesser: Collection[str], now: datetime
) -> None:
    name = weakness.names[0]
    if not weakness.fixed_in:
        finding.told.append(f"{name} is a weakness that nothing mends yet")
        return
    fixes = [known[version].at for version in weakness.fixed_in if version > finding.pinned and version in known]
    if not fixes:
        finding.not_told.append(f"since when {name} is mended")
        return
    within = LESSER_MENDED_WITHIN if set(weakness.names) & set(lesser) else MENDED_WITHIN
    mended_by = ", ".join(str(version) for version in weakness.fixed_in)
    words = f"{name} is mended since {min(fixes):%Y-%m-%d} by {mended_by}"
    (finding.past if now - min(fixes) > within else finding.told).append(words)


def pins_in(file: Path) -> dict[str, Version]:
    lines = (line.partition("==") for line in file.read_text(encoding="utf-8").splitlines())
    return {canonicalize_name(name): Version(version) for name, _, version in lines}


def look(index: Index, name: str, pinned: Version, **known: Any) -> Finding:
    """Ask of one component, and judge. Raises NoIndex."""
    try:
        releases = index.releases(name)
    except NotTold as problem:
        return Finding(name, pinned, not_told=[str(problem)])
    try:
        return judge(name, pinned, releases, index.weaknesses(name, pinned), **known)
    except NotTold as problem:
        finding = judge(name, pinned, releases, [], **known)
        finding.not_told.append(str(problem))
        return finding


def report(index: Index, pins: Mapping[str, Version], *, now: datetime, lesser: Collection[str] = ()) -> int:
    """Print a line for each component and one about all; answers with the exit code. Raises NoIndex."""
    held = held_back()
    findings = []
    for name, pinned in pins.items():
        findings.append(look(index, name, pinned, now=now, allowed=held.get(name, ANY), lesser=lesser))
        print(findings[-1].line(), flush=True)
    past = sum(bool(one.past) for one in findings)
    not_told = sum(bool(one.not_told) for one in findings)
    print(f"{len(findings)} components: {past} past their time, {not_told} of which not everything was told.")
    if any("weaknesses" in one.not_told for one in findings):
        print(
            "The index has no pages on weaknesses: ask one that has (PIP_INDEX_URL), or another tool, before you rest."
        )
    if past:
        return ONE_PAST
    return NOT_ALL_ASKED if not_told or not findings else NONE_PAST


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.components", description="Which libraries are past their time"
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="these alone; all without any")
    parser.add_argument(
        "--lesser",
        action="append",
        default=[],
        metavar="ID",
        help="a weakness that lets nobody in, pay or read: 30 days",
    )
    parser.add_argument("--pins", type=Path, default=PINS, help="another file of pins")
    given = parser.parse_args(arguments)
    pins = pins_in(given.pins)
    chosen = {canonicalize_name(name) for name in given.names} or set(pins)
    if chosen - set(pins):
        parser.error(f"no pin of {', '.join(sorted(chosen - set(pins)))}")
    asked = {name: version for name, version in pins.items() if name in chosen}
    try:
        return report(Index(*index_of_pip()), asked, now=datetime.now(UTC), lesser=given.lesser)
    except NoIndex as problem:
        print(f"Not everything could be asked: {problem}.", file=sys.stderr)
        return NOT_ALL_ASKED


if __name__ == "__main__":
    sys.exit(main())
