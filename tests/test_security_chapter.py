"""The manual's chapter on security names what there is, with the numbers that hold; and what it says of all code."""

import ast
import re
import subprocess
import sys
from dataclasses import fields
from datetime import timedelta
from importlib.metadata import distribution, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dashboard import (
    bank_window,
    factor_resets,
    factors,
    guessing,
    links,
    passkeys,
    passwords,
    recovery_codes,
    sign_ins,
    totp,
)
from dashboard.bank131 import signature
from dashboard.config import SETTINGS, Config
from dashboard.notice_rules import Matter
from dashboard.web import bank_seats, forms, hardening, live, refusals, webhooks
from tests import components

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
MODULES = sorted((ROOT / "dashboard").rglob("*.py"))
MINUTE = timedelta(minutes=1)


def chapter(name: str) -> str:
    return README.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


def part(name: str) -> str:
    """From its name in bold letters to the next one."""
    _, _, found = chapter("Security").partition(f"\n**{name}.**")
    assert found, name
    return re.split(r"\n\n\*\*[A-Z]", found)[0]


def row(of: str, begin: str) -> str:
    [found] = [line for line in part(of).splitlines() if line.startswith(f"| {begin} |")]
    return found


# Secrets and keys


def test_every_setting_that_is_secret_or_a_key_stands_in_it() -> None:
    secret = {field.name for field in fields(Config) if not field.repr} | {"private_key_file", "public_key_file"}
    named = {setting.name for setting in SETTINGS if setting.field in secret}
    assert named >= {"DASHBOARD_SECRET_KEY", "DASHBOARD_JOURNAL_KEY", "DASHBOARD_METRICS_TOKEN"}
    table = part("Secrets and keys")
    assert [name for name in sorted(named) if not re.search(rf"^\|[^|]*`{name}`", table, re.MULTILINE)] == []


def test_a_vault_can_keep_every_secret_is_documented() -> None:
    told = README.partition("**Secrets in a vault.**")[2].partition("\n4. **")[0]
    loaded = dict(re.findall(r"LoadCredentialEncrypted=([^:\s]+):/etc/refund-desk/(\S+)", told))
    assert {"DASHBOARD_SECRET_KEY", "DASHBOARD_JOURNAL_KEY", "DASHBOARD_DATABASE_URL", "private.pem"} <= set(loaded)
    assert all(name == file for name, file in loaded.items()), "systemd-creds binds a file to its name"
    assert {"systemd-creds encrypt", "destroy it by removing the file"} <= set(
        re.findall("systemd-creds encrypt|destroy it by removing the file", told)
    )
    assert "(*Secrets in a vault*)" in part("Secrets and keys")


# What is made of the secret key, by the name that its use has in the code -> how the manual calls it.
USES = {
    "refund-form": "tokens of refund forms",
    "known-browser": "cookie of a known browser",
    "passkey-challenge": "questions for passkeys",
}


def test_every_use_of_the_secret_key_stands_in_it() -> None:
    salts = set()
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            is_salt = isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
            if is_salt and node.targets[0].id == "_SALT":
                salts.add(ast.literal_eval(node.value))
    assert salts == set(USES)
    told = row("Secrets and keys", "`DASHBOARD_SECRET_KEY`, `DASHBOARD_SECRET_KEY_BEFORE`")
    uses = [*USES.values(), "cookies", "CSRF tokens", "apps' secrets", "HKDF-SHA-256", "AES-256-GCM"]
    assert [use for use in uses if use not in told] == []


@pytest.mark.usefixtures("slow_hashes")
def test_the_strength_of_each_is_the_one_that_holds() -> None:
    hasher = passwords._hasher
    assert (hasher.memory_cost, hasher.time_cost, hasher.parallelism) == (64 * 1024, 3, 4)
    assert "Argon2id (64 MiB, 3 passes, 4 lanes)" in row("Secrets and keys", "Passwords")
    bits = recovery_codes._GROUPS * recovery_codes._GROUP_LENGTH * 5
    assert len(recovery_codes._LETTERS) == 2**5
    assert f"SHA-256 of {bits} random bits" in row("Secrets and keys", "Recovery codes")
    assert f"RSA of {signature.MIN_KEY_BITS} bits or more" in row("Secrets and keys", "`BANK131_PRIVATE_KEY_FILE`")
    assert "With `BANK131_KEY_BITS` at 3072 nothing in this table has less than 128 bits" in part("Secrets and keys")
    app = row("Secrets and keys", "Secrets of apps")
    assert f"{len(totp.new_secret()) * 5} random bits" in app
    [grace] = [setting for setting in SETTINGS if setting.field == "app_code_grace_s"]
    assert f"each once within {totp.STEP_S + 2 * int(grace.default or '')} seconds, or {totp.STEP_S} with" in app


# Passwords and sign-ins


def test_every_word_that_no_password_may_lean_on_is_documented() -> None:
    told = " ".join(chapter("Signing in").split())
    listed = re.search(r"parts of the e-mail address, and \*([^*]+)\*", told)
    assert listed
    words = {word.strip() for word in listed[1].split(",")}
    # The plural is the same word.
    assert {word for word in passwords.CONTEXT_WORDS if word.removesuffix("s") not in words} == set()
    assert words <= set(passwords.CONTEXT_WORDS)
    assert f"fewer than {['', 'one', 'two', 'three', 'four', 'five', 'six'][passwords.FEWEST_BESIDE_CONTEXT]}" in told


def test_how_long_sign_ins_hold_and_how_many_is_documented() -> None:
    told = " ".join(chapter("Signing in").split())
    assert timedelta(hours=12) == sign_ins.LONGEST
    assert "ends after `DASHBOARD_IDLE_MINUTES` in which its person did nothing, after twelve hours" in told
    assert "signed in in any number of browsers; they stand on `/account/`, where any can be ended" in told
    assert "less than NIST SP 800-63B allows" in " ".join(chapter("Security").split())


def test_how_a_sign_in_here_goes_with_the_one_at_the_provider_is_documented() -> None:
    told = " ".join(chapter("Signing in").split())
    assert "it counts as one factor" in told
    assert "A sign-in here lasts twelve hours at most after the provider's answer" in told
    assert "Signing out here ends the sign-in here; that at the provider stays" in told
    assert "whoever loses one stays signed in for twelve hours at most" in told
    assert "the provider has to say when that was (`auth_time`)" in told


def test_the_limits_are_those_that_hold() -> None:
    assert guessing.WINDOW == 5 * MINUTE == sign_ins.PROOF_HOLDS == passkeys.HOLDS
    assert f"{guessing.ACCOUNT_FAILURES} an account, {guessing.ADDRESS_FAILURES} a network address" in part(
        "What is limited"
    )
    assert f"{guessing.PROOF_FAILURES} second factors or proofs" in part("What is limited")
    assert (guessing.ACCOUNT_FAILURES, guessing.ADDRESS_FAILURES) == (10, 50)
    assert f"{guessing.FILES} a person within five minutes" in part("What is limited")
    assert f"A worker asks for {bank_window.MOST_AT_ONCE} pages at once" in part("What is limited")
    assert "Ten wrong passwords within five minutes for one account, or fifty" in chapter("Signing in")
    assert "So that nobody can shut somebody out by guessing" in " ".join(chapter("Signing in").split())
    assert (bank_seats.PAGE_TIMEOUT_S, live.LONGEST_STREAM_S) == (10, 600)
    assert row("What is limited", "Passkeys").endswith(f"| {factors.MOST_PASSKEYS} an account |")
    assert refusals.WITHIN == MINUTE
    assert f"| {refusals.MOST_LINES} a minute" in row("What is limited", "Lines of the log about refusals")
    assert timedelta(hours=1) == links.HOLDS_FOR
    assert timedelta(days=1) == factor_resets.HOLDS


# Who sees what


def test_that_no_field_differs_by_role_is_documented() -> None:
    told = " ".join(part("Ways in").split())
    assert "By role no field differs: whoever may look sees all of refunds, sessions and journal" in told
    assert "is changed by nobody once it is asked for" in told


# What is taken, protected and written down


def test_the_rules_of_values_are_those_that_hold() -> None:
    assert f"At most {forms.LONGEST_COMMENT} characters" in row("What is taken", "Comment, and why")
    assert f"at most {hardening.MAX_FORM_BYTES // 1024} KiB" in row("What is taken", "Any form")
    assert webhooks.MAX_BODY_BYTES == 1024 * 1024
    assert "at most 1 MiB" in row("What is taken", "A webhook")
    assert {"Amount", "E-mail address", "Dates"} <= set(re.findall(r"^\| ([^|]+) \|", part("What is taken"), re.M))
    assert "What belongs together is checked together: an amount against what is left" in part("What is taken")


def test_what_mails_tell_of_a_refund_is_this_and_no_more() -> None:
    """Whatever is added here has to be fit for mail, which anybody on its way may read."""
    told = {field.name for field in fields(Matter)} - {"what", "name", "subject", "asked_by_id", "by_id"}
    assert told == {"session_id", "amount_minor", "currency", "state"}
    assert "session, amount, status and number of refunds" in " ".join(part("What mails say").split())


def test_data_has_levels_each_with_its_protection() -> None:
    levels = re.findall(r"^\| ([A-Z][a-z ]+) \| [^|]+ \| ([^|]+) \|$", part("Data"), re.MULTILINE)
    assert [name for name, _protection in levels[1:]] == ["Secret", "Card numbers", "Personal", "Of money", "Open"]
    assert "`DASHBOARD_KEEP_WEBHOOKS_DAYS`" in row("Data", "Personal")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_lines_of_the_log_go_to_standard_error_alone(path: Path) -> None:
    """As the manual's list of logs says."""
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"(File|Rotating|SysLog|Socket|HTTP|SMTP|Datagram|Queue)\w*Handler|accesslog", text)
    assert "StreamHandler(" not in text or ("StreamHandler()" in text and path.name == "cli.py")


def test_the_list_of_logs_says_where_and_how_long() -> None:
    assert "| Standard error of each process:" in part("What is written down where")
    assert "There is no other log" in part("What is written down where")
    assert "90 days" in part("What is written down where")


# Libraries


def needed(name: str, extras: frozenset[str] = frozenset()) -> set[str]:
    """Every library that the product needs, those of libraries too."""
    found: set[str] = set()
    wanted = [(name, extras)]
    while wanted:
        one, with_extras = wanted.pop()
        for text in distribution(one).requires or []:
            requirement = Requirement(text)
            contexts = [{"extra": extra} for extra in with_extras or {""}]
            if requirement.marker and not any(map(requirement.marker.evaluate, contexts)):
                continue
            library = canonicalize_name(requirement.name)
            if library not in found:
                found.add(library)
                wanted.append((library, frozenset(requirement.extras)))
    return found


def test_every_library_stands_in_the_list_with_its_version() -> None:
    lines = (ROOT / ".ci" / "constraints.txt").read_text(encoding="utf-8").splitlines()
    listed = {canonicalize_name(name): pinned for name, _, pinned in (line.partition("==") for line in lines)}
    libraries = needed("bank131-refund-desk")
    assert len(libraries) > 30
    assert {one: version(one) for one in libraries} == {one: listed.get(one) for one in libraries}


def test_the_times_for_libraries_are_those_that_are_looked_for() -> None:
    told = " ".join(part("Libraries").split())
    assert f"is mended within {components.MENDED_WITHIN.days} days of its fix" in told
    assert f"any other within {components.LESSER_MENDED_WITHIN.days}" in told
    assert f"all are brought up to date every {components.UP_TO_DATE_WITHIN.days}" in told
    assert "Run it each week" in told


def test_what_runs_in_production_loads_no_sandbox_and_no_demo() -> None:
    probe = (
        "import sys; from dashboard import cli; from dashboard.commands import serve, web, worker\n"
        "print([name for name in sys.modules if name.startswith(('dashboard.sandbox', 'dashboard.demo', 'tests'))])"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
