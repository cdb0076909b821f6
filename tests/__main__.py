"""Everything the tests need, then all of them: `python -m tests [pytest's arguments]`.

Chromium, PostgreSQL and openssl come from Debian's packages where they are missing and this runs as root.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parent.parent
NEEDED_BYTES = 4 * 2**30
QUICK_BROWSER = "chromium-headless-shell"
BROWSERS = (QUICK_BROWSER, "chromium", "chromium-browser", "google-chrome")
# Where no mirror answers, it is not waited for.
IMPATIENT = ("-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=15", "-o", "Acquire::https::Timeout=15")


def main() -> int:
    missing = missing_packages()
    if missing and not install(missing):
        print(f"Missing: Debian's packages {', '.join(missing)}. Install them, or run this as root.", file=sys.stderr)
        return 1
    if not os.environ.get("CHROMIUM") and not shutil.which(QUICK_BROWSER):
        install([QUICK_BROWSER], *IMPATIENT)
    python = [sys.executable, "-m"]
    checks = (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"])
    for check in checks:
        print("$", *check, flush=True)
        if code := subprocess.run([*python, *check], cwd=ROOT, check=False).returncode:
            return code
    # Journeys wait more than they work.
    arguments = sys.argv[1:] or ["-n", str((os.cpu_count() or 2) * 3 // 2)]
    # Some hundred processes are started: each would compile everything again.
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with TemporaryDirectory(prefix="tests-", dir=in_memory()) as folder:
        # PostgreSQL runs as a user of its own.
        Path(folder).chmod(0o711)
        command = [*python, "pytest", *arguments]
        return subprocess.run(command, cwd=ROOT, env={**environ, "TMPDIR": folder}, check=False).returncode


def in_memory() -> Path | None:
    """Where waiting for the disk at each commit takes no time, if there is room; None: the usual place."""
    memory = Path("/dev/shm")  # noqa: S108
    return memory if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > NEEDED_BYTES else None


def missing_packages() -> list[str]:
    """Debian's names of what is not there."""
    found = {
        QUICK_BROWSER: bool(os.environ.get("CHROMIUM")) or any(map(shutil.which, BROWSERS)),
        "postgresql": bool(shutil.which("initdb") or list(Path("/usr/lib/postgresql").glob("*/bin/initdb"))),
        "openssl": bool(shutil.which("openssl")),
    }
    return [package for package, is_there in found.items() if not is_there]


def install(packages: list[str], *options: str) -> bool:
    """Install Debian's packages; False where that cannot be done."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    steps = (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *packages])
    commands = (["apt-get", *options, *step] for step in steps)
    return all(subprocess.run(command, env=environ, check=False).returncode == 0 for command in commands)


if __name__ == "__main__":
    sys.exit(main())
