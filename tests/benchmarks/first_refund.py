"""From the README's first command to an accepted refund: each step that somebody takes, and how long it keeps them.

    python -m tests.benchmarks.first_refund

Clones this checkout, runs the command as it stands there in an empty home, and does in a real browser what somebody
does who has never seen the product. What people take to read and to type is not in it. The installation, which every
Python project has, is told apart: it is what the rest is to be measured against.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from playwright.sync_api import Page

from tests.journeys.chromium import running_chromium
from tests.journeys.commands import OPERATOR, free_port
from tests.journeys.waiting import eventually

ROOT = Path(__file__).parent.parent.parent
INSTALLS_WITHIN_S = 600.0
STARTS_WITHIN_S = 120.0
ENDS_WITHIN_MS = 60_000
_FIRST_COMMAND = re.compile(r"```sh\n(.+?)\n```", re.DOTALL)
_ADDRESS_AND_PASSWORD = re.compile(r"Dashboard +(\S+).*, password (\S+)", re.DOTALL)

Step = tuple[str, float]


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="first-refund-") as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        install, _, start = first_command(clone).rpartition(" && ")
        installed_s = took_s(lambda: shell(install, clone).wait(INSTALLS_WITHIN_S))
        steps = first_refund(clone, start)
    print(*table(installed_s, steps), sep="\n")
    return 0


def first_command(clone: Path) -> str:
    found = _FIRST_COMMAND.search((clone / "README.md").read_text(encoding="utf-8"))
    assert found, "the README begins with a command"
    return found[1]


def shell(command: str, clone: Path, log: Path | None = None) -> subprocess.Popen[bytes]:
    home = clone.parent / "home"
    home.mkdir(exist_ok=True)
    environ = {"PATH": os.environ["PATH"], "HOME": str(home)}
    with (log or clone.parent / "install.log").open("wb") as said:
        return subprocess.Popen(["bash", "-c", command], cwd=clone, env=environ, stdout=said, stderr=said)


def took_s(do: Callable[[], object]) -> float:
    begun_s = time.monotonic()
    do()
    return time.monotonic() - begun_s


def first_refund(clone: Path, start: str) -> list[Step]:
    log = clone.parent / "demo.log"
    begun_s = time.monotonic()
    demo = shell(f"exec {start} --port {free_port()} --bank-port {free_port()}", clone, log)
    try:
        eventually(lambda: "Dashboard " in log.read_text(), STARTS_WITHIN_S, "the demo tells its address")
        started = ("it says where to go", time.monotonic() - begun_s)
        with running_chromium() as browser:
            return [started, *refund(browser.new_page(), log.read_text())]
    finally:
        demo.terminate()
        demo.wait()


def refund(page: Page, said: str) -> Iterator[Step]:
    """What somebody does in the browser, each with the seconds until the next thing can be done."""
    found = _ADDRESS_AND_PASSWORD.search(said)
    assert found, said
    address, password = found.groups()
    session = page.locator("main tbody tr", has_text="Accepted").first.locator(".row-link")

    def is_there_now() -> bool:
        page.reload()
        return session.count() > 0

    def choose_a_session() -> None:
        page.wait_for_url("**/sessions/")
        # In the first second of a demo the bank has told of none yet: people look again.
        if not session.count():
            eventually(is_there_now, STARTS_WITHIN_S, "a session that was paid")
        session.click()

    deeds = (
        ("open the address", lambda: page.goto(address)),
        ("type the address of the operator", lambda: page.keyboard.type(OPERATOR)),
        ("type the password", lambda: page.get_by_label("Password").fill(password)),
        ("press Enter", lambda: page.keyboard.press("Enter")),
        ("choose Refund a session", page.get_by_role("link", name="Refund a session").first.click),
        ("choose a session", choose_a_session),
        ("choose Refund", lambda: page.get_by_role("link", name="Refund", exact=True).click()),
        ("choose a reason", lambda: page.get_by_label("Reason").select_option("goods_returned")),
        ("check", lambda: page.get_by_role("button", name="Check and confirm").click()),
        ("confirm", lambda: page.locator("button[name=confirm]").click()),
    )
    for name, do in deeds:
        yield name, took_s(do)
    accepted = page.locator("#refund-detail[data-status=accepted]")
    yield "it is accepted, with the time to undo", took_s(lambda: accepted.wait_for(timeout=ENDS_WITHIN_MS))


def table(installed_s: float, steps: Sequence[Step]) -> Iterator[str]:
    yield f"{installed_s:8.1f} s  it installs itself"
    for number, (name, seconds) in enumerate(steps):
        yield f"{seconds:8.1f} s  {number:2}. {name}"
    desk_s = sum(seconds for _, seconds in steps)
    yield f"{installed_s + desk_s:8.1f} s  together, without what people take to read and to type"
    yield f"{desk_s / installed_s:8.2f} of the installation's time is ours"


if __name__ == "__main__":
    sys.exit(main())
