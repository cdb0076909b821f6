"""Pictures of every page family, for people to look at: `python -m tests.screenshots` writes `.screenshots/`.

Three widths, light and dark, English and Russian. A demo of its own is started for it.
"""

import argparse
import itertools
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.journeys.chromium import running_chromium
from tests.journeys.commands import Installation, running_demo
from tests.journeys.conftest import QUICK
from tests.journeys.families import FAMILIES, make_something, opened
from tests.journeys.windows import Windows

FOLDER = Path(__file__).parent.parent / ".screenshots"
WIDTHS = (1440, 1024, 390)
THEMES = ("light", "dark")
LANGUAGES = {"en": "en-GB", "ru": "ru-RU"}
HEIGHT = 900


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="families whose name has this in it")
    wanted = parser.parse_args().only
    FOLDER.mkdir(exist_ok=True)
    with TemporaryDirectory() as folder, running_chromium() as browser, running_demo(Path(folder), **QUICK) as demo:
        demo.bank.call("settings", decide_after_ms=100)
        windows = Windows(browser, {})
        take(demo, windows, wanted)
        windows.close()


def take(demo: Installation, windows: Windows, wanted: str) -> None:
    """Every picture that is wanted; its name says what it shows."""
    names = make_something(demo, windows)
    for family, theme, language in itertools.product(FAMILIES, THEMES, LANGUAGES):
        if wanted not in family.name:
            continue
        with opened(demo, windows, family, names, color_scheme=theme, locale=LANGUAGES[language]) as page:
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": HEIGHT})
                page.screenshot(path=FOLDER / f"{family.name}-{width}-{theme}-{language}.png", full_page=True)


if __name__ == "__main__":
    main()
