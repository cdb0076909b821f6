"""`dashboard check`: each thing that stops the product working, in one clear line."""

import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from sqlalchemy import URL, Engine, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from dashboard import (
    bank_window,
    collector,
    db,
    health,
    journal,
    leaked_passwords,
    limits,
    obstacles,
    openid,
    own_bank,
    pauses,
    reads,
    resealing,
    shape,
    smtp,
)
from dashboard.bank131.client import BankError, NeverReached, Refused
from dashboard.bank131.signature import KeyFormatError, load_private_key, load_public_key
from dashboard.clock import SystemClock
from dashboard.config import Config, is_loopback
from dashboard.desk import journal_key
from dashboard.wiring import bank_client

UNKNOWN_SESSION = "ps_0"


@dataclass(frozen=True)
class Finding:
    """One line; `is_fatal`: the product cannot work like this."""

    line: str
    is_fatal: bool


def findings(config: Config) -> Iterator[Finding]:
    """What is to be said about an installation, good and bad."""
    yield from _in_the_clear(config)
    keys = list(_keys(config))
    yield from keys
    if config.leaked_passwords_file is not None:
        yield _leaked_passwords(config.leaked_passwords_file)
    engine = db.open_engine(config.database_url)
    try:
        database = list(_database(config, engine))
        yield from database
        if config.has_oidc:
            yield _provider(config)
        if config.has_mail:
            yield _mail_server(config)
        if config.has_collector:
            is_there = not any(each.is_fatal for each in database)
            yield from _collector(config, engine if is_there else None)
        if any(key.is_fatal for key in keys):
            return
        is_usable = not any(each.is_fatal for each in database)
        problem = _own_bank(config, engine) if is_usable else None
        bank = _bank(config, engine)
        yield bank if problem is None else Finding(f"{bank.line} {problem}.", is_fatal=True)
    finally:
        engine.dispose()


def _in_the_clear(config: Config) -> Iterator[Finding]:
    """What others could read or change on its way. Whoever keeps it on a network of their own may leave it so."""
    public = urlsplit(config.public_url)
    if public.scheme == "http" and not is_loopback(public.hostname):
        why = "passwords and cookies can be read on their way: put a proxy with TLS in front, and write https://"
        yield Finding(f"DASHBOARD_PUBLIC_URL: {config.public_url} is not https, so {why}.", is_fatal=False)
    if public.scheme == "https" and not config.proxy_hops:
        why = "so cookies are not bound to HTTPS, and everybody behind the proxy shares one limit against guessing"
        yield Finding(f"DASHBOARD_PROXY_HOPS is 0 though people come over HTTPS by a proxy, {why}.", is_fatal=False)
    if config.has_mail and is_loopback(public.hostname):
        why = "so links in mails lead nowhere from another machine"
        yield Finding(f"DASHBOARD_PUBLIC_URL: {config.public_url} is this machine alone, {why}.", is_fatal=False)
    database = make_url(config.database_url)
    if db.is_elsewhere(database) and database.query.get("sslmode", "verify-full") != "verify-full":
        why = "somebody in between could read and change it: take sslmode out of it, or write sslmode=verify-full"
        yield Finding(f"DASHBOARD_DATABASE_URL: {database.host} need not prove who it is, so {why}.", is_fatal=False)


def _keys(config: Config) -> Iterator[Finding]:
    bits = config.key_bits
    yield _key("BANK131_PRIVATE_KEY_FILE", config.private_key_file, load_private_key, bits)
    yield _key("BANK131_PUBLIC_KEY_FILE", config.public_key_file, load_public_key, bits)
    if config.public_key_next_file is not None:
        yield _key("BANK131_PUBLIC_KEY_NEXT_FILE", config.public_key_next_file, load_public_key, bits)

    for exposed in obstacles.exposed_keys(config):
        yield Finding(exposed, is_fatal=False)


def _key(
    setting: str, file: Path, load: Callable[[bytes, int], RSAPrivateKey | RSAPublicKey], min_bits: int
) -> Finding:
    try:
        key = load(file.read_bytes(), min_bits)
    except FileNotFoundError:
        return Finding(f"{setting}: there is no file {file}.", is_fatal=True)
    except OSError as problem:
        return Finding(f"{setting}: {file} cannot be read: {problem.strerror}.", is_fatal=True)
    except KeyFormatError as problem:
        return Finding(f"{setting}: {file} cannot be used: {problem}.", is_fatal=True)
    return Finding(f"{setting}: good, RSA of {key.key_size} bits.", is_fatal=False)


def _leaked_passwords(file: Path) -> Finding:
    try:
        found = leaked_passwords.look_over(file)
    except leaked_passwords.UnusableList as problem:
        return Finding(f"{problem}.", is_fatal=True)
    size = f"{found.size / 10**9:,.1f} GB" if found.size >= 10**8 else f"{found.size:,} bytes"
    line = f"{leaked_passwords.SETTING}: good, {size}, written on {found.written_at:%Y-%m-%d}."
    return Finding(line, is_fatal=False)


def _database(config: Config, engine: Engine) -> Iterator[Finding]:
    try:
        file = db.missing_file(engine)
        if file is not None:
            yield Finding(obstacles.no_file(file), is_fatal=True)
            return
        if not shape.is_current(engine):
            yield Finding(obstacles.not_migrated(engine), is_fatal=True)
            return
        yield Finding(f"The database is there and migrated: {db.name_of(engine)}", is_fatal=False)
        if _has_password(engine.url):
            but = "which works, but a client certificate or a socket needs none (README, In production)"
            yield Finding(f"DASHBOARD_DATABASE_URL holds a password, {but}.", is_fatal=False)
        now = SystemClock().now()
        with Session(engine) as session:
            yield from _secrets(config, session)
            yield from _one_person_alone(config, session)
            alive = health.worker_is_alive(session, now, timedelta(seconds=30))
            why = pauses.reasons(session)
        if not alive:
            yield Finding("No worker is running: refunds stay queued until one is started.", is_fatal=False)
        elif problem := _no_window(config):
            yield Finding(problem, is_fatal=False)
        if why:
            told = "; ".join(why)
            yield Finding(f"Sending is paused ({told}): `dashboard sending resume` ends it.", is_fatal=False)
    except SQLAlchemyError as problem:
        yield Finding(f"The database cannot be reached: {obstacles.cause_of(problem)}.", is_fatal=True)


def _has_password(address: URL) -> bool:
    return bool(address.password or address.query.get("password"))


def _secrets(config: Config, session: Session) -> Iterator[Finding]:
    if not journal.is_kept_with(session, journal_key(config)):
        yield Finding(obstacles.OTHER_JOURNAL_KEY, is_fatal=True)
    if not config.secret_key_before:
        return
    left = resealing.left(session, config.secret_keys)
    kept = f"{left} secrets are still to be sealed anew: `dashboard db reseal`" if left else "nothing kept needs it"
    yield Finding(f"DASHBOARD_SECRET_KEY_BEFORE is set: {kept}.", is_fatal=False)


def _one_person_alone(config: Config, session: Session) -> Iterator[Finding]:
    """What one stolen password would be enough for."""
    if not limits.all_of_them(session):
        told = "There are no limits: one person refunds any amount alone. An admin sets them under Approvals, Limits."
        yield Finding(told, is_fatal=False)
    if not config.require_factors and not config.has_oidc:
        told = "DASHBOARD_REQUIRE_FACTORS is no: whoever has added no passkey or app signs in with a password alone."
        yield Finding(told, is_fatal=False)


def _no_window(config: Config) -> str | None:
    """In one line, why pages of a web server here could not look at the bank."""
    try:
        problem = bank_window.Window(config).problem()
    except ValueError:
        return None  # told of by `_bank`
    return problem and f"No worker of this machine can be found ({problem}): pages here show what is known already."


def _provider(config: Config) -> Finding:
    """Passwords may still do without it."""
    try:
        openid.Provider(config, SystemClock()).begin()
    except openid.OutOfReach as problem:
        line = f"The OpenID provider {config.oidc_issuer} cannot be used: {problem}."
        return Finding(line, is_fatal=config.oidc_only)
    return Finding(f"The OpenID provider {config.oidc_issuer} answers.", is_fatal=False)


def _mail_server(config: Config) -> Finding:
    """Refunds do without it."""
    host = urlsplit(config.mail_server).hostname
    try:
        smtp.greet(config.mail_server)
    except smtp.NotTaken as problem:
        return Finding(f"The mail server {host} cannot be used: {problem}.", is_fatal=False)
    return Finding(f"The mail server {host} answers.", is_fatal=False)


def _collector(config: Config, engine: Engine | None) -> Iterator[Finding]:
    """Refunds do without it. `engine`: None if there is no database that can be used."""
    host = urlsplit(config.collector_url).hostname
    yield Finding(f"The collector {host} {_answer_of_collector(config)}.", is_fatal=False)
    if engine is None:
        return
    with Session(engine) as session:
        waiting = collector.waiting(session)
    if waiting.entries:
        since = f", the oldest since {waiting.since:%Y-%m-%d %H:%M:%S} UTC" if waiting.since else ""
        why = f"; the last try failed: {waiting.problem}" if waiting.problem else ""
        line = f"Entries of the journal that wait for the collector: {waiting.entries}{since}{why}."
        yield Finding(line, is_fatal=False)


def _answer_of_collector(config: Config) -> str:
    """To a batch without entries, which some take and others call bad."""
    problem = _bad_pem("DASHBOARD_COLLECTOR_CA_FILE", config.collector_ca_file, _load_authorities) or _bad_pem(
        "DASHBOARD_COLLECTOR_CERT_FILE", config.collector_cert_file, _load_own
    )
    if problem is not None:
        return f"cannot be asked: {problem}"
    try:
        status = collector.ask(config, b"").status
    except collector.NotTaken as none:
        return f"cannot be used: {none}"
    if status in (401, 403):
        ways = "DASHBOARD_COLLECTOR_CERT_FILE or DASHBOARD_COLLECTOR_TOKEN"
        return f"does not let the desk in (HTTP {status}): {ways} is not what it wants"
    is_good = 200 <= status < 300 or status in (400, 411, 422)
    return "answers" if is_good else f"cannot be used: it answers HTTP {status}"


def _bad_pem(setting: str, file: Path | None, load: Callable[[Path], object]) -> str | None:
    if file is None:
        return None
    try:
        load(file)
    except FileNotFoundError:
        return f"{setting}: there is no file {file}"
    except ssl.SSLError:
        return f"{setting}: {file} is not what it has to be (PEM, a key without a password)"
    except OSError as problem:
        return f"{setting}: {file} cannot be read: {problem.strerror}"
    return None


def _load_authorities(file: Path) -> None:
    ssl.create_default_context(cafile=file)


def _load_own(file: Path) -> None:
    ssl.create_default_context().load_cert_chain(file, password="")


def _own_bank(config: Config, engine: Engine) -> str | None:
    try:
        bank = bank_window.Window(config)
    except ValueError:
        return None  # told of by `_bank`
    with Session(engine) as session:
        return own_bank.objection(session, bank.url, bank.project)


def _bank(config: Config, engine: Engine) -> Finding:
    """Ask for a session that no bank has: its refusal shows that it is there and knows our signature."""
    try:
        bank_client(config).status(UNKNOWN_SESSION)
    except Refused as answer:
        if answer.code in reads.AUTH_CODES:
            said = f"{answer.code} {answer.description or ''}".strip()
            return Finding(f"The bank at {config.bank_url} does not accept us: {said}.", is_fatal=True)
    except NeverReached as problem:
        return Finding(f"The bank at {config.bank_url} cannot be reached: {problem}.", is_fatal=True)
    except ValueError as problem:
        return Finding(f"The bank's settings cannot be used: {problem}.", is_fatal=True)
    except BankError as problem:
        return Finding(f"The bank at {config.bank_url} gives no usable answer: {problem}.", is_fatal=True)
    return Finding(f"The bank at {config.bank_url} answers and accepts our signature.", is_fatal=False)
