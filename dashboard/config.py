"""Every setting: its name, default, meaning and check. A bad value stops the start with one clear line."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from email.message import EmailMessage
from email.policy import SMTP
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dashboard import roles
from dashboard.bank131.objects import is_identifier
from dashboard.bank131.signature import MIN_KEY_BITS
from dashboard.languages import LANGUAGES

SHORTEST_SECRET = 32
SECRETS_FOLDER = "DASHBOARD_SECRETS_FOLDER"
FOLDER_OF_SYSTEMD = "CREDENTIALS_DIRECTORY"
# What an attempt to send may take beside its call to the bank.
GRACE_S = 5.0


class BadSettings(ValueError):
    """`problems` holds one line for people for each setting that cannot be used."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Setting:
    """One environment variable. `read` turns its text into the value or raises ValueError with a reason."""

    name: str
    field: str
    default: str | None
    meaning: str
    read: Callable[[str], object]


@dataclass(frozen=True, kw_only=True)
class KeyConfig:
    """The settings that the journal's chain is keyed with."""

    # What is secret stands in no text of the whole, whoever writes it down.
    secret_key: str = field(repr=False)
    secret_key_before: str = field(repr=False)
    journal_key: str = field(repr=False)

    @property
    def secret_keys(self) -> tuple[str, ...]:
        """The one that everything new is made with, then what opens and verifies beside it."""
        return tuple(filter(None, (self.secret_key, self.secret_key_before)))


@dataclass(frozen=True, kw_only=True)
class BooksConfig(KeyConfig):
    """The settings of what works on the database alone, without a bank and its keys. Durations are seconds."""

    database_url: str = field(repr=False)
    public_url: str
    timezone: ZoneInfo
    language: str
    undo_s: float
    quiet_s: float
    poll_s: float
    resend_max_s: float
    web_processes: int
    web_threads: int
    live_streams: int
    worker_threads: int
    proxy_hops: int
    keep_webhooks_days: int
    keep_sign_ins_days: int
    metrics_token: str = field(repr=False)
    idle_minutes: float
    require_factors: bool
    leaked_passwords_file: Path | None
    app_code_grace_s: float
    oidc_issuer: str
    oidc_client_id: str
    oidc_client_secret: str = field(repr=False)
    oidc_role_claim: str
    oidc_roles: Mapping[str, str]
    oidc_only: bool
    mail_server: str = field(repr=False)
    mail_from: str
    collector_url: str = field(repr=False)
    collector_ca_file: Path | None
    collector_cert_file: Path | None
    collector_token: str = field(repr=False)
    ageing_days: int
    timeout_s: float

    @property
    def has_oidc(self) -> bool:
        """Whether people sign in through an OpenID provider."""
        return bool(self.oidc_issuer)

    @property
    def has_mail(self) -> bool:
        """Whether mail is sent to people."""
        return bool(self.mail_server)

    @property
    def has_collector(self) -> bool:
        """Whether the journal is sent on to a log system."""
        return bool(self.collector_url)

    @property
    def ageing(self) -> timedelta:
        """A refund that is open for longer is open for long."""
        return timedelta(days=self.ageing_days)

    @property
    def undo(self) -> timedelta:
        return timedelta(seconds=self.undo_s)

    @property
    def quiet(self) -> timedelta:
        return timedelta(seconds=self.quiet_s)

    @property
    def idle(self) -> timedelta:
        """How long somebody stays signed in without doing anything."""
        return timedelta(minutes=self.idle_minutes)

    @property
    def lease(self) -> timedelta:
        """How long one attempt to send may take, from its commit to its answer."""
        return timedelta(seconds=GRACE_S + self.timeout_s)


@dataclass(frozen=True, kw_only=True)
class Config(BooksConfig):
    """All settings of one installation, checked."""

    bank_url: str
    project: str
    private_key_file: Path
    public_key_file: Path
    public_key_next_file: Path | None
    key_bits: int
    run_folder: Path | None
    secrets_folder: Path | None
    api_version: int
    submerchant: str | None


AnyKeyConfig = TypeVar("AnyKeyConfig", bound=KeyConfig)
AnyConfig = TypeVar("AnyConfig", bound=BooksConfig)


def is_loopback(host: str | None) -> bool:
    """Whether a host name or address stands for this machine alone."""
    if host == "localhost":
        return True
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return False


def _text(value: str) -> str:
    if not value.strip():
        raise ValueError("is empty")
    return value.strip()


def _identifier(value: str) -> str:
    if not is_identifier(_text(value)):
        raise ValueError("has to be 1 to 100 printable ASCII characters, without spaces")
    return value.strip()


def _optional_identifier(value: str) -> str | None:
    return _identifier(value) if value.strip() else None


def _path(value: str) -> Path:
    return Path(_text(value)).expanduser().resolve()


def _optional_path(value: str) -> Path | None:
    return _path(value) if value.strip() else None


def _whole(lowest: int, highest: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        if not value.strip().isdecimal() or not lowest <= int(value) <= highest:
            raise ValueError(f"must be a whole number from {lowest} to {highest}")
        return int(value)

    return read


def _number_of(unit: str, lowest: float, highest: float) -> Callable[[str], float]:
    def read(value: str) -> float:
        try:
            number = float(value)
        except ValueError:
            number = -1
        if not lowest <= number <= highest:
            raise ValueError(f"must be a number of {unit} from {lowest:g} to {highest:g}")
        return number

    return read


def _seconds(lowest: float, highest: float) -> Callable[[str], float]:
    return _number_of("seconds", lowest, highest)


def _database_url(value: str) -> str:
    """SQLite paths become absolute; PostgreSQL always goes through psycopg 3."""
    scheme, _, rest = _text(value).partition("://")
    if scheme in {"postgresql", "postgres", "postgresql+psycopg"}:
        _check_postgresql(rest)
        return f"postgresql+psycopg://{rest}"
    if scheme == "sqlite" and rest.startswith("/") and len(rest) > 1:
        return f"sqlite:///{Path(rest[1:]).expanduser().resolve()}"
    raise ValueError("must be sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME")


def _check_postgresql(rest: str) -> None:
    """A password with such signs in it would be taken for a host, a port or a name, and so be told to everybody."""
    server, _slash, name = rest.partition("?")[0].partition("/")
    port = server.rpartition("@")[2].rpartition("]")[2].partition(":")[2]
    if server.count("@") > 1 or "@" in name or not (port or "1").isdecimal():
        raise ValueError("cannot be read: write @ : / of a password as %40 %3A %2F")


def _secret(value: str) -> str:
    if len(value) < SHORTEST_SECRET or len(set(value)) < SHORTEST_SECRET // 3 or _repeats_itself(value):
        raise ValueError(
            f"is weak: use at least {SHORTEST_SECRET} random characters, such as the output of "
            "python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
        )
    return value


def _repeats_itself(value: str) -> bool:
    """Whether a quarter of it stood there before; in random characters hardly any three in a row come twice."""
    parts = [value[at : at + 3] for at in range(len(value) - 2)]
    return len(set(parts)) < len(parts) * 3 // 4


def _timezone(value: str) -> ZoneInfo:
    try:
        return ZoneInfo(_text(value))
    except (ZoneInfoNotFoundError, ValueError) as problem:
        raise ValueError("is no time zone name such as Europe/Moscow") from problem


def _language(value: str) -> str:
    if _text(value) not in LANGUAGES:
        raise ValueError(f"must be one of {', '.join(LANGUAGES)}")
    return value.strip()


def _web_url(value: str) -> str:
    parts = urlsplit(_text(value))
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must look like https://refunds.example.com")
    return value.strip().rstrip("/")


def is_private(url: str) -> bool:
    """Whether nobody on the way reads along: HTTPS, or this machine alone."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))


def _bank_url(value: str) -> str:
    url = _web_url(value)
    parts = urlsplit(url)
    if not is_private(url):
        raise ValueError("must begin with https:// (plain HTTP is for this machine alone)")
    if parts.path or parts.query:
        raise ValueError("must be the server alone, without a path, such as https://demo.bank131.ru")
    return url


def _issuer(value: str) -> str:
    """Compared sign by sign with what the provider calls itself, so a slash at its end stays."""
    url = value.strip()
    if not url:
        return ""
    _web_url(url)
    if not is_private(url):
        raise ValueError("must begin with https:// (plain HTTP is for this machine alone)")
    if urlsplit(url).query or urlsplit(url).fragment:
        raise ValueError("must have neither ? nor # in it")
    return url


def _mail_server(value: str) -> str:
    """`smtp://` asks for TLS on the way, but of a server on this machine."""
    url = value.strip()
    if not url:
        return ""
    parts = urlsplit(url)
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname or parts.path not in {"", "/"} or parts.query:
        raise ValueError("must look like smtp://USER:PASSWORD@HOST:587 or smtps://USER:PASSWORD@HOST:465")
    try:
        _ = parts.port
    except ValueError as problem:
        raise ValueError("has no port that can be read: write @ : / of a password as %40 %3A %2F") from problem
    return url


def _mail_address(value: str) -> str:
    if not value.strip():
        return ""
    try:
        found = EmailMessage(policy=SMTP)
        found["From"] = value.strip()
        (address,) = found["From"].addresses
    except (ValueError, IndexError) as problem:
        raise ValueError("must look like Refund desk <refunds@example.com>") from problem
    if found["From"].defects or not address.domain:
        raise ValueError("must look like Refund desk <refunds@example.com>")
    return value.strip()


def _collector_url(value: str) -> str:
    url = value.strip()
    if not url:
        return ""
    _web_url(url)
    if not is_private(url):
        raise ValueError("must begin with https:// (plain HTTP is for this machine alone)")
    if "@" in urlsplit(url).netloc or urlsplit(url).fragment:
        raise ValueError("must have neither a user nor # in it: a token is DASHBOARD_COLLECTOR_TOKEN")
    return url


def _token(value: str) -> str:
    token = value.strip()
    if not token.isascii() or not token.isprintable() or " " in token:
        raise ValueError("has to be printable ASCII characters, without spaces")
    return token


def _roles_of_groups(value: str) -> Mapping[str, str]:
    """A group's name may hold `=`, as those of directories do, but no comma."""
    mapping: dict[str, str] = {}
    for pair in filter(str.strip, value.split(",")):
        group, _, role = (part.strip() for part in pair.rpartition("="))
        if not group or role not in roles.ROLES:
            raise ValueError(f"must look like finance-ops=operator,it=admin; the roles are {', '.join(roles.ROLES)}")
        if group in mapping:
            raise ValueError(f"names {group} twice")
        mapping[group] = role
    return mapping


def _yes_or_no(value: str) -> bool:
    if value.strip() not in {"", "yes", "no"}:
        raise ValueError("must be yes or no")
    return value.strip() == "yes"


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "DASHBOARD_DATABASE_URL",
        "database_url",
        "sqlite:///refund-desk.sqlite3",
        "Where everything is kept: `sqlite:///FILE` on one machine, `postgresql://…` for more.",
        _database_url,
    ),
    Setting(
        "DASHBOARD_SECRET_KEY",
        "secret_key",
        None,
        "Signs cookies and forms. At least 32 random characters, the same for every process.",
        _secret,
    ),
    Setting(
        "DASHBOARD_SECRET_KEY_BEFORE",
        "secret_key_before",
        "",
        "While the secret key is being changed, the one before: it still opens and verifies, and makes nothing new.",
        lambda value: _secret(value) if value else "",
    ),
    Setting(
        "DASHBOARD_JOURNAL_KEY",
        "journal_key",
        "",
        "Keys the journal's hash chain; keep it for ever. Empty: derived from `DASHBOARD_SECRET_KEY`.",
        lambda value: _secret(value) if value else "",
    ),
    Setting(
        "DASHBOARD_PUBLIC_URL",
        "public_url",
        "http://127.0.0.1:8131",
        "The address that people and the bank's webhooks use. "
        "Pages answer under its host and this machine's own names alone.",
        _web_url,
    ),
    Setting("DASHBOARD_TIMEZONE", "timezone", "UTC", "The zone in which dates are shown and filtered.", _timezone),
    Setting("DASHBOARD_LANGUAGE", "language", "en", "The language of mails and pages, `en` or `ru`.", _language),
    Setting(
        "DASHBOARD_UNDO_SECONDS",
        "undo_s",
        "5",
        "How long a refund waits before it is sent, so that it can be undone.",
        _seconds(0, 3600),
    ),
    Setting(
        "DASHBOARD_QUIET_SECONDS",
        "quiet_s",
        "900",
        "How long after a send without an answer the bank may still carry it out. Lower it only for tests.",
        _seconds(0.1, 86400),
    ),
    Setting(
        "DASHBOARD_POLL_SECONDS",
        "poll_s",
        "30",
        "The first step of the reading schedule for open refunds; later ones are multiples of it.",
        _seconds(0.05, 3600),
    ),
    Setting(
        "DASHBOARD_RESEND_MAX_SECONDS",
        "resend_max_s",
        "21600",
        "How long after its first send a refund of unknown outcome may be sent once more; later: review.",
        _seconds(0, 604800),
    ),
    Setting("DASHBOARD_WEB_PROCESSES", "web_processes", "1", "Web processes of one server.", _whole(1, 64)),
    Setting("DASHBOARD_WEB_THREADS", "web_threads", "48", "Threads of one web process.", _whole(4, 1000)),
    Setting(
        "DASHBOARD_LIVE_STREAMS",
        "live_streams",
        "36",
        "Live pages one web process serves at once; further ones ask every few seconds instead. "
        "Must leave threads for ordinary requests.",
        _whole(0, 990),
    ),
    Setting(
        "DASHBOARD_WORKER_THREADS",
        "worker_threads",
        "8",
        "Bank calls that one worker makes at once.",
        _whole(1, 64),
    ),
    Setting(
        "DASHBOARD_PROXY_HOPS",
        "proxy_hops",
        "0",
        "Reverse proxies in front whose X-Forwarded-For, -Proto and -Host are to be believed.",
        _whole(0, 5),
    ),
    Setting(
        "DASHBOARD_KEEP_WEBHOOKS_DAYS",
        "keep_webhooks_days",
        "400",
        "For how many days the raw bodies of webhooks are kept; their digests stay.",
        _whole(1, 36500),
    ),
    Setting(
        "DASHBOARD_KEEP_SIGN_INS_DAYS",
        "keep_sign_ins_days",
        "90",
        "For how many days sign-ins that have ended are kept beside the journal.",
        _whole(1, 36500),
    ),
    Setting(
        "DASHBOARD_METRICS_TOKEN",
        "metrics_token",
        "",
        "Opens `/metrics` to other machines, as a bearer token. Empty: to this machine alone.",
        lambda value: _secret(value) if value else "",
    ),
    Setting(
        "DASHBOARD_IDLE_MINUTES",
        "idle_minutes",
        "15",
        "How long somebody stays signed in without doing anything; 12 hours at most whatever they do.",
        _number_of("minutes", 0.05, 720),
    ),
    Setting(
        "DASHBOARD_REQUIRE_FACTORS",
        "require_factors",
        "no",
        "Whether whoever has no second factor can do nothing but add one: yes or no.",
        _yes_or_no,
    ),
    Setting(
        "DASHBOARD_LEAKED_PASSWORDS_FILE",
        "leaked_passwords_file",
        "",
        "A list of passwords that have leaked, by their SHA-1 and sorted by it: none of them can be chosen.",
        _optional_path,
    ),
    Setting(
        "DASHBOARD_APP_CODE_GRACE_SECONDS",
        "app_code_grace_s",
        "30",
        "How long before its 30 seconds begin and after they have ended an app's code counts too; 0 is the strictest.",
        _seconds(0, 30),
    ),
    Setting(
        "DASHBOARD_OIDC_ISSUER",
        "oidc_issuer",
        "",
        "The OpenID provider through which people sign in, exactly as it calls itself. Empty: passwords alone.",
        _issuer,
    ),
    Setting(
        "DASHBOARD_OIDC_CLIENT_ID",
        "oidc_client_id",
        "",
        "How the provider calls this desk.",
        str.strip,
    ),
    Setting(
        "DASHBOARD_OIDC_CLIENT_SECRET",
        "oidc_client_secret",
        "",
        "What this desk proves to the provider that it is itself with.",
        str.strip,
    ),
    Setting(
        "DASHBOARD_OIDC_ROLE_CLAIM",
        "oidc_role_claim",
        "groups",
        "What the provider calls the groups of a person; dots lead into what is nested.",
        _text,
    ),
    Setting(
        "DASHBOARD_OIDC_ROLES",
        "oidc_roles",
        "",
        "Which group at the provider has which role here: `finance-ops=operator,it=admin`. The highest counts.",
        _roles_of_groups,
    ),
    Setting(
        "DASHBOARD_OIDC_ONLY",
        "oidc_only",
        "no",
        "`yes`: nobody signs in with a password any more.",
        _yes_or_no,
    ),
    Setting(
        "DASHBOARD_MAIL_SERVER",
        "mail_server",
        "",
        "The server that takes mail to people: `smtp://USER:PASSWORD@HOST:587` or `smtps://…:465`. Empty: no mail.",
        _mail_server,
    ),
    Setting(
        "DASHBOARD_MAIL_FROM",
        "mail_from",
        "",
        "Who mail comes from, such as `Refund desk <refunds@example.com>`.",
        _mail_address,
    ),
    Setting(
        "DASHBOARD_COLLECTOR_URL",
        "collector_url",
        "",
        "The log system that the journal is sent on to, by HTTPS, as lines of JSON. Empty: none.",
        _collector_url,
    ),
    Setting(
        "DASHBOARD_COLLECTOR_CA_FILE",
        "collector_ca_file",
        "",
        "The authorities (PEM) that vouch for the collector. Empty: the common ones.",
        _optional_path,
    ),
    Setting(
        "DASHBOARD_COLLECTOR_CERT_FILE",
        "collector_cert_file",
        "",
        "A certificate and its key (PEM) with which the desk proves to the collector that it is itself.",
        _optional_path,
    ),
    Setting(
        "DASHBOARD_COLLECTOR_TOKEN",
        "collector_token",
        "",
        "What proves it to a collector that takes no certificate, as a bearer token.",
        _token,
    ),
    Setting(
        "DASHBOARD_AGEING_DAYS",
        "ageing_days",
        "5",
        "After how many days an open refund is one that *Overview* and mail tell of as open for long.",
        _whole(1, 365),
    ),
    Setting(
        "DASHBOARD_RUN_FOLDER",
        "run_folder",
        "",
        "The folder where web servers find the workers of their machine. Empty: one of this user's.",
        _optional_path,
    ),
    Setting(
        SECRETS_FOLDER,
        "secrets_folder",
        "",
        "A folder in which each file that is called like a setting is that setting. "
        f"Not set: systemd's `{FOLDER_OF_SYSTEMD}`.",
        _optional_path,
    ),
    Setting("BANK131_URL", "bank_url", None, "The bank's server, without a path.", _bank_url),
    Setting("BANK131_PROJECT", "project", None, "The project's name, given by the bank.", _identifier),
    Setting(
        "BANK131_PRIVATE_KEY_FILE",
        "private_key_file",
        None,
        "Your RSA private key (PEM): signs what is sent to the bank. Workers alone read it.",
        _path,
    ),
    Setting(
        "BANK131_PUBLIC_KEY_FILE",
        "public_key_file",
        None,
        "The bank's RSA public key (PEM): verifies its webhooks.",
        _path,
    ),
    Setting(
        "BANK131_PUBLIC_KEY_NEXT_FILE",
        "public_key_next_file",
        "",
        "The bank's next public key while it changes keys.",
        _optional_path,
    ),
    Setting(
        "BANK131_KEY_BITS",
        "key_bits",
        str(MIN_KEY_BITS),
        "The least length of these RSA keys, yours and the bank's; 3072 holds 128 bits of security.",
        _whole(MIN_KEY_BITS, 16384),
    ),
    Setting("BANK131_API_VERSION", "api_version", "1", "Version of the bank's API: 1 or 2.", _whole(1, 2)),
    Setting(
        "BANK131_TIMEOUT_SECONDS",
        "timeout_s",
        "30",
        "The deadline of one whole call to the bank.",
        _seconds(0.1, 300),
    ),
    Setting(
        "BANK131_SUBMERCHANT",
        "submerchant",
        "",
        "The submerchant's name, for the few institutions that need one.",
        _optional_identifier,
    ),
)


def read_config(environ: Mapping[str, str]) -> Config:
    """Read and check every setting. Raises BadSettings with a line for each one that cannot be used."""
    return _checked(Config(**_values(environ, Config)))


def read_books_config(environ: Mapping[str, str]) -> BooksConfig:
    """As `read_config`, but only what BooksConfig has: how the bank is reached is not looked at."""
    return _checked(BooksConfig(**_values(environ, BooksConfig)))


def read_key_config(environ: Mapping[str, str]) -> KeyConfig:
    """As `read_config`, but only what KeyConfig has; with a journal key nothing is derived from the secret key."""
    key = environ.get("DASHBOARD_JOURNAL_KEY")
    environ = {"DASHBOARD_SECRET_KEY": key, **environ} if key else environ
    return _checked_keys(KeyConfig(**_values(environ, KeyConfig)))


def read_keys_to_compare(environ: Mapping[str, str]) -> KeyConfig:
    """As `read_key_config`, with all keys at once from which the journal's may have been derived."""
    return KeyConfig(**_values(environ, KeyConfig))


def _values(environ: Mapping[str, str], kind: type[KeyConfig]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    problems: list[str] = []
    for setting in SETTINGS:
        if setting.field not in kind.__dataclass_fields__:
            continue
        text = environ.get(setting.name, setting.default)
        if text is None:
            problems.append(f"{setting.name} is missing. {setting.meaning}")
            continue
        try:
            values[setting.field] = setting.read(text)
        except ValueError as problem:
            problems.append(f"{setting.name} {problem}.")
    if problems:
        raise BadSettings(problems)
    return values


def _checked_keys(config: AnyKeyConfig) -> AnyKeyConfig:
    """The journal's key would change together with the secret key, and what was written before be verified no more."""
    if config.secret_key_before and not config.journal_key:
        how = "`dashboard journal key` prints the value"
        raise BadSettings([f"DASHBOARD_JOURNAL_KEY must be set while DASHBOARD_SECRET_KEY_BEFORE is: {how}."])
    if config.secret_key_before == config.secret_key:
        raise BadSettings(["DASHBOARD_SECRET_KEY_BEFORE is the same as DASHBOARD_SECRET_KEY."])
    return config


def _checked(config: AnyConfig) -> AnyConfig:
    _checked_keys(config)
    if config.live_streams >= config.web_threads:
        raise BadSettings(["DASHBOARD_LIVE_STREAMS must be smaller than DASHBOARD_WEB_THREADS."])
    problem = _half_a_provider(config) or _half_a_mail(config) or _half_a_collector(config)
    if problem is not None:
        raise BadSettings([problem])
    return config


def _half_a_mail(config: BooksConfig) -> str | None:
    if config.mail_server and not config.mail_from:
        return "DASHBOARD_MAIL_FROM must be set as well: it says who mail comes from."
    return None


def _half_a_collector(config: BooksConfig) -> str | None:
    given = (config.collector_ca_file, config.collector_cert_file, config.collector_token)
    if any(given) and not config.collector_url:
        return "DASHBOARD_COLLECTOR_URL must be set as well: it says where the journal is sent on to."
    return None


def _half_a_provider(config: BooksConfig) -> str | None:
    """Single sign-on is set up as a whole, or not at all."""
    needed = {
        "DASHBOARD_OIDC_ISSUER": config.oidc_issuer,
        "DASHBOARD_OIDC_CLIENT_ID": config.oidc_client_id,
        "DASHBOARD_OIDC_CLIENT_SECRET": config.oidc_client_secret,
        "DASHBOARD_OIDC_ROLES": config.oidc_roles,
    }
    missing = [name for name, value in needed.items() if not value]
    if missing and (len(missing) < len(needed) or config.oidc_only):
        return f"{', '.join(missing)} must be set as well, or single sign-on be left alone altogether."
    if config.has_oidc and not is_private(config.public_url):
        return (
            "DASHBOARD_PUBLIC_URL must begin with https:// for single sign-on (plain HTTP is for this machine alone)."
        )
    return None
