"""Libraries past their time are told, and what cannot be asked is never taken for good."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from tests import components
from tests.components import Index, NoIndex

ROOT = Path(__file__).parent.parent
NOW = datetime(2026, 11, 27, 9, tzinfo=UTC)


class Pages(ThreadingHTTPServer):
    """A small package index on this machine."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Page)
        self.pages: dict[str, tuple[int, str, bytes]] = {}
        self.asked: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/simple"

    def put(self, path: str, page: Any, kind: str = components.SIMPLE_JSON, status: int = 200) -> None:
        self.pages[path] = (status, kind, page if isinstance(page, bytes) else json.dumps(page).encode())

    def have(self, name: str, **days_by_version: float | dict[str, Any]) -> None:
        """Versions (`v1_0`), each with how many days ago it came, or more about its files; without weaknesses."""
        files = []
        for written, about in days_by_version.items():
            version = written.removeprefix("v").replace("_", ".")
            more = about if isinstance(about, dict) else {"days": about}
            came = NOW - timedelta(days=more.pop("days"))
            for filename in (f"{name}-{version}.tar.gz", f"{name}-{version}-py3-none-any.whl"):
                stamp = came.isoformat().replace("+00:00", "Z")
                files.append(
                    {"filename": filename, "upload-time": stamp, "requires-python": None, "yanked": False, **more}
                )
            self.know(name, version)
        self.put(f"/simple/{name}/", {"meta": {"api-version": "1.1"}, "name": name, "files": files})

    def know(self, name: str, version: str, *weaknesses: dict[str, Any]) -> None:
        self.put(f"/pypi/{name}/{version}/json", {"info": {}, "vulnerabilities": weaknesses}, "application/json")


class Page(BaseHTTPRequestHandler):
    server: Pages

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers["Accept"]))
        status, kind, body = self.server.pages.get(self.path, (404, "text/html", b"not here"))
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: Any) -> None:
        pass


@pytest.fixture
def pages() -> Iterator[Pages]:
    with Pages() as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def asked(pages: Pages, pinned: str = "1.0", **given: Any) -> int:
    return components.report(Index(pages.url), {"parcel": Version(pinned)}, now=NOW, **given)


def test_the_newest_is_good(pages: Pages, capsys: pytest.CaptureFixture[str]) -> None:
    pages.have("parcel", v0_9=900, v1_0=400)
    assert asked(pages) == 0
    assert "the newest" in capsys.readouterr().out
    assert pages.asked == [("/simple/parcel/", components.SIMPLE_JSON), ("/pypi/parcel/1.0/json", "application/json")]


@pytest.mark.parametrize(("days", "code"), [(1, 0), (90, 0), (90.01, 1), (400, 1)])
def test_what_has_been_out_of_date_for_longer_than_the_manual_allows_is_told(
    pages: Pages, capsys: pytest.CaptureFixture[str], days: float, code: int
) -> None:
    """It counts from the first newer one, not from the newest."""
    pages.have("parcel", v1_0=500, v1_1=days, v1_2=0.5)
    assert asked(pages) == code
    out = capsys.readouterr().out
    since = NOW - timedelta(days=days)
    assert f"1.2 is the newest, a newer one is out since {since:%Y-%m-%d} ({int(days)} days)" in out
    assert ("PAST ITS TIME" in out) is bool(code)
    assert out.endswith(f"1 components: {code} past their time, 0 of which not everything was told.\n")


@pytest.mark.parametrize(
    "newer",
    [
        {"v2_0rc1": 400},
        {"v2_0_dev3": 400},
        {"v2_0": {"days": 400, "yanked": "breaks everything"}},
        {"v2_0": {"days": 400, "yanked": True}},
        {"v2_0": {"days": 400, "requires-python": ">=4"}},
        {"v2_0": {"days": 400, "requires-python": "<3"}},
    ],
    ids=str,
)
def test_what_cannot_or_should_not_be_taken_makes_nothing_old(pages: Pages, newer: dict[str, Any]) -> None:
    pages.have("parcel", v1_0=500, **newer)
    assert asked(pages) == 0


def test_one_that_was_taken_back_is_past_its_time_at_once(pages: Pages, capsys: pytest.CaptureFixture[str]) -> None:
    pages.have("parcel", v1_0={"days": 1, "yanked": "loses letters"})
    assert asked(pages) == 1
    assert "PAST ITS TIME: it was taken back (yanked)" in capsys.readouterr().out


def test_what_another_library_does_not_take_is_told_and_not_counted() -> None:
    releases = [
        components.Release(Version(version), NOW - timedelta(days=400), is_yanked=False, fits_python=True)
        for version in ("1.0", "2.0")
    ]
    known = {"now": NOW, "allowed": SpecifierSet("<2")}
    finding = components.judge("parcel", Version("1.0"), releases, [], **known)
    assert (finding.past, finding.not_told) == ([], [])
    assert finding.told == ["2.0 is out, which another library does not take (<2)"]


def test_what_holds_back_is_what_other_libraries_say_and_not_we() -> None:
    held = components.held_back()
    assert "==" in str(held["pydantic-core"]), "pydantic wants one of its own"
    assert "flask-login" not in held, "we alone want that one"


# Weaknesses


@pytest.mark.parametrize(
    ("days", "lesser", "code"),
    [(2.9, (), 0), (3.1, (), 1), (29, ["CVE-1"], 0), (31, ["CVE-1"], 1), (29, ["CVE-2"], 1), (29, ["GHSA-1"], 0)],
)
def test_a_weakness_counts_from_its_fix(
    pages: Pages, capsys: pytest.CaptureFixture[str], days: float, lesser: list[str], code: int
) -> None:
    pages.have("parcel", v1_0=500, v1_1=days)
    pages.know("parcel", "1.0", {"id": "GHSA-1", "aliases": ["CVE-1"], "fixed_in": ["0.9.7", "1.1"]})
    assert asked(pages, lesser=lesser) == code
    mended = f"GHSA-1 is mended since {NOW - timedelta(days=days):%Y-%m-%d} by 0.9.7, 1.1"
    out = capsys.readouterr().out
    assert mended in out
    assert (f"PAST ITS TIME: {mended}" in out) is bool(code)


@pytest.mark.parametrize(
    ("weakness", "code", "said"),
    [
        ({"id": "GHSA-1", "fixed_in": []}, 0, "GHSA-1 is a weakness that nothing mends yet"),
        ({"id": "GHSA-1", "fixed_in": ["7.0"]}, 2, "NOT TOLD: since when GHSA-1 is mended"),
        ({"id": "GHSA-1", "fixed_in": ["1.1"], "withdrawn": "2026-01-01T00:00:00Z"}, 0, "1.1 is the newest"),
    ],
)
def test_one_without_a_fix_is_told_and_one_that_was_taken_back_is_none(
    pages: Pages, capsys: pytest.CaptureFixture[str], weakness: dict[str, Any], code: int, said: str
) -> None:
    pages.have("parcel", v1_0=500, v1_1=50)
    pages.know("parcel", "1.0", weakness)
    assert asked(pages) == code
    assert said in capsys.readouterr().out


# Never good by silence


def test_an_index_without_pages_on_weaknesses_is_not_enough(pages: Pages, capsys: pytest.CaptureFixture[str]) -> None:
    pages.have("parcel", v1_0=500)
    pages.pages.pop("/pypi/parcel/1.0/json")
    assert asked(pages) == 2
    out = capsys.readouterr().out
    assert "NOT TOLD: weaknesses" in out
    assert "The index has no pages on weaknesses" in out


def test_a_breach_counts_whatever_else_was_not_told(pages: Pages) -> None:
    pages.have("parcel", v1_0=500, v1_1=400)
    pages.pages.pop("/pypi/parcel/1.0/json")
    assert asked(pages) == 1


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (None, "NOT TOLD: the index does not have it"),
        ({"files": []}, "NOT TOLD: the index does not have this version"),
        ({"files": [{"filename": "parcel-1.0.tar.gz"}]}, "NOT TOLD: when its files came"),
    ],
)
def test_what_the_index_does_not_know_is_told(
    pages: Pages, capsys: pytest.CaptureFixture[str], page: Any, said: str
) -> None:
    pages.know("parcel", "1.0")
    if page is not None:
        pages.put("/simple/parcel/", page)
    assert asked(pages) == 2
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ((b"<a href=x>parcel-1.0.tar.gz</a>", "text/html", 200), "does not speak JSON"),
        ((b"{}", "application/json", 200), "does not speak JSON"),
        ((b"{", components.SIMPLE_JSON, 200), "cannot be read"),
        ((b"{}", components.SIMPLE_JSON, 200), "cannot be read"),
        (
            (b'{"files": [{"filename": "parcel-1.0.tar.gz", "upload-time": null}]}', components.SIMPLE_JSON, 200),
            "cannot be",
        ),
        ((b"{}", components.SIMPLE_JSON, 503), "answers with 503"),
    ],
)
def test_an_index_that_cannot_be_understood_is_no_answer(pages: Pages, page: tuple[bytes, str, int], said: str) -> None:
    pages.put("/simple/parcel/", *page)
    with pytest.raises(NoIndex, match=said):
        asked(pages)


# As it is run


@pytest.fixture
def pins(tmp_path: Path) -> list[str]:
    file = tmp_path / "pins.txt"
    file.write_text("Parcel_Post==1.0\nletter==2.0\n")
    return ["--pins", str(file)]


def run(url: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    settings = {**os.environ, "PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": url, **environ}
    command = [sys.executable, "-m", "tests.components", *arguments]
    return subprocess.run(command, env=settings, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


def test_it_asks_the_index_that_pip_is_set_to_use(pages: Pages, pins: list[str]) -> None:
    since_now = (datetime.now(UTC) - NOW) / timedelta(days=1)
    pages.have("parcel-post", v1_0=400 - since_now)
    pages.have("letter", v2_0=400 - since_now, v2_1=91 - since_now)
    done = run(f"{pages.url}/", *pins)
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["parcel-post", "letter", "2"]
    assert (done.returncode, done.stderr) == (1, "")


def test_it_asks_of_some_alone(pages: Pages, pins: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(components, "index_of_pip", lambda: (pages.url, None))
    pages.have("parcel-post", v1_0=400)
    assert components.main([*pins, "parcel.post"]) == 0
    assert {path.rpartition("/parcel-post/")[1] for path, _kind in pages.asked} == {"/parcel-post/"}
    with pytest.raises(SystemExit) as ended:
        components.main([*pins, "no-such"])
    assert ended.value.code == 2


def test_without_an_index_it_says_so_and_never_that_all_is_good(pins: list[str]) -> None:
    with Pages() as closed:
        url = closed.url.replace("//", "//me:s3cret@")
    done = run(url, *pins)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Not everything could be asked: the index cannot be reached (ConnectionError)")
    assert "s3cret" not in done.stderr
    none = run(url, *pins, PIP_NO_INDEX="1")
    assert (none.returncode, none.stdout) == (2, "")
    assert "pip is set to use no index" in none.stderr


def test_pip_tells_its_default_where_nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    monkeypatch.setattr(components, "_settings_of_pip", dict)
    url, authorities = components.index_of_pip()
    assert url.startswith("https://")
    assert url.endswith("/simple")
    assert authorities is None


def test_every_pin_can_be_read() -> None:
    pins = components.pins_in(components.PINS)
    assert len(pins) > 80
    assert pins["flask"] >= Version("3.1.2")
