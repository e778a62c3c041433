"""Mailpit's environment variables (``MP_...``), read as settings of the sandbox.

A compose file for Mailpit then needs only its image changed. Pillarbox's own variables take
precedence; the configuration file comes last. An unknown variable is reported once, and never
keeps the sandbox from starting.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

from pillarbox.config.convert import WrongValue, convert, convert_text
from pillarbox.config.error import ConfigError
from pillarbox.config.loader import Address, Loaded
from pillarbox.config.schema import SECTIONS
from pillarbox.config.settings import Settings
from pillarbox.findings import Finding, Level

__all__ = ["with_mailpit_names"]

_PREFIX: Final = "MP_"
_NAME: Final = "mailpit"  # of tables that variables make
_MEGABYTE: Final = 1024 * 1024
_TRUE: Final = frozenset({"1", "true", "yes", "on"})

Values = dict[Address, object]
"""What a variable means: settings with their values, as text or as they are in TOML."""

# Mailpit with a list of users takes no mail from anybody else; and so it is with ours.
_CHOSEN: Final[Values] = {("sandbox", "auth"): "chosen"}

# Who may get released mail, and who never: regular expressions there, patterns here.
_LISTS: Final = {
    "ALLOWED_RECIPIENTS": "recipients",
    "MATCHING": "recipients",  # to these by itself, and to nobody else at all
    "BLOCKED_RECIPIENTS": "blocked",
}
_ALTERNATIVES: Final = re.compile(r"\((?P<grouped>[^()]*)\)\$|(?P<single>[^()|]*)\$")
_WHO: Final = re.compile(
    r"(?P<local>\^[\w-]+|\^\.[*+]|\.[*+])?@(?P<domain>[\w-]+(\\\.[\w-]+)*)", re.ASCII
)


def with_mailpit_names(
    loaded: Loaded, environ: Mapping[str, str]
) -> tuple[Settings, tuple[Finding, ...]]:
    """Return the settings with what Mailpit's variables say, and what is to be told of them.

    Args:
        loaded: The configuration.
        environ: The environment.

    Raises:
        ConfigError: A variable has a value that its setting cannot take.
    """
    values: dict[Address, object] = {}
    wrong: list[Finding] = []
    ignored: list[str] = []
    for name in sorted(environ, key=_order):
        if not name.startswith(_PREFIX):
            continue
        word = name.removeprefix(_PREFIX)
        if word in _ALIASES and environ[name].strip():
            for address, value in _ALIASES[word](environ[name].strip()).items():
                try:
                    values[address] = _converted(address, value)
                except WrongValue as expected:
                    wrong.append(_wrong(name, expected))
        elif word not in _ALIASES and word not in _NEEDLESS | _TOGETHER:
            ignored.append(name)
    unread = tuple(_unread_lists(environ))
    together = _implicit_tls(environ) | ({} if unread else _relay(environ))
    for address, value in together.items():
        values[address] = _converted(address, value)
    if wrong:
        raise ConfigError(wrong)
    settings = _merged(loaded, values)
    return settings, (*_told(ignored), *unread)


def _order(name: str) -> tuple[bool, str]:
    # Whether any password is right is said last: MP_SMTP_AUTH alone means chosen users.
    return name == f"{_PREFIX}SMTP_AUTH_ACCEPT_ANY", name


def _converted(address: Address, value: object) -> object:
    key = SECTIONS[address[0]].keys[address[-1]]
    return convert_text(value, key) if isinstance(value, str) else convert(value, key)


def _merged(loaded: Loaded, values: Mapping[Address, object]) -> Settings:
    settings = loaded.settings
    tables: dict[Address, dict[str, Any]] = {}
    for address, value in values.items():
        if not loaded.origin(address).startswith("$"):  # PILLARBOX_... goes first
            tables.setdefault(address[:-1], {})[address[-1]] = value
    for table, keys in tables.items():
        section = getattr(settings, table[0])
        if len(table) == 1:
            changed = dataclasses.replace(section, **keys)
        else:  # [sandbox_webhook.NAME]
            changed = {**section, table[1]: SECTIONS[table[0]].type(**keys)}
        settings = dataclasses.replace(settings, **{table[0]: changed})
    return settings


def _wrong(name: str, expected: WrongValue) -> Finding:
    return Finding(
        level=Level.ERROR,
        code="PB-CONFIG-005",
        what=f"${name} takes {expected}.",
        fix=expected.hint,
        evidence=(f"${name}",),
    )


def _told(ignored: list[str]) -> Iterator[Finding]:
    if ignored:
        yield Finding(
            level=Level.WARNING,
            code="PB-CONFIG-090",
            what=f"{', '.join(f'${name}' for name in ignored)}: not known here, and ignored.",
            why="Variables of Mailpit are understood where the sandbox has the same setting.",
            fix="See docs/sandbox.md for the list, and remove what has no meaning here.",
        )


def _one(section: str, key: str) -> Callable[[str], Values]:
    return lambda text: {(section, key): text}


def _own(key: str) -> Callable[[str], Values]:
    return _one("sandbox", key)


def _bind(key: str) -> Callable[[str], Values]:
    return lambda text: {("sandbox", key): [text]}


def _users(key: str, *, chooses: bool = False) -> Callable[[str], Values]:
    def read(text: str) -> Values:
        values: Values = {("sandbox", key): text.split()}
        if chooses:
            values |= _CHOSEN
        return values

    return read


def _users_file(text: str) -> Values:
    return {("sandbox", "users_file"): text, **_CHOSEN}


def _accept_any(text: str) -> Values:
    return {("sandbox", "auth"): "any"} if text.lower() in _TRUE else {}


def _megabytes(text: str) -> Values:
    is_number = text.isascii() and text.isdigit()
    return {("sandbox", "max_message_size"): int(text) * _MEGABYTE if is_number else text}


def _certificate(key: str) -> Callable[[str], Values]:
    def read(text: str) -> Values:
        if text.startswith("sans:"):  # "sans:localhost,..." asks for a self-signed one
            return {("sandbox", "starttls"): True}
        return {("sandbox", key): text}

    return read


def _spamassassin(text: str) -> Values:
    # Its other way, "postmark", is a service on the internet: mail would leave the machine.
    return {("sandbox", "spamassassin"): "" if text == "postmark" else text}


def _tags(text: str) -> Values:
    # Mailpit writes tag=search; "tag1=to:bob, tag2=from:ann".
    rules = [rule.strip().replace("=", ": ", 1) for rule in text.split(",") if rule.strip()]
    return {("sandbox", "tags"): rules}


def _tags_disabled(text: str) -> Values:
    values: Values = {}
    for word in text.replace(",", " ").split():
        if word in {"plus-addresses", "true"}:
            values["sandbox", "tag_by_address"] = False
        if word in {"x-tags", "true"}:
            values["sandbox", "tag_by_header"] = False
    return values


def _webhook(text: str) -> Values:
    return {("sandbox_webhook", _NAME, "url"): text}


def _chaos(text: str) -> Values:
    return {("sandbox", "chaos"): text}


def _relay(environ: Mapping[str, str]) -> Values:
    """Return the relay that several variables describe together; none without its host."""

    def said(word: str) -> str:
        return environ.get(f"{_PREFIX}SMTP_RELAY_{word}", "").strip()

    if not said("HOST"):
        return _forward(environ)
    values: Values = {
        ("sandbox_release", "relay"): _relay_url(said),
        ("sandbox_release", "recipients"): ["*"],
    }
    for word, key in _LISTS.items():
        if said(word):
            values["sandbox_release", key] = _people(said(word))
    if said("PASSWORD"):
        values["sandbox_release", "password"] = said("PASSWORD")
    if said("RETURN_PATH"):
        values["sandbox_release", "return_path"] = said("RETURN_PATH")
    if said("ALL").lower() in _TRUE or said("MATCHING"):
        values["sandbox_forward", _NAME, "search"] = ""
    return values


def _forward(environ: Mapping[str, str]) -> Values:
    """Return the relay by which all mail goes to a few; none without its host and whom."""

    def said(word: str) -> str:
        return environ.get(f"{_PREFIX}SMTP_FORWARD_{word}", "").strip()

    people = [each.strip() for each in said("TO").split(",") if each.strip()]
    if not (said("HOST") and people):
        return {}
    values: Values = {
        ("sandbox_release", "relay"): _relay_url(said),
        ("sandbox_release", "recipients"): people,
        ("sandbox_forward", _NAME, "recipients"): people,
    }
    for word, key in (("PASSWORD", "password"), ("RETURN_PATH", "return_path")):
        if said(word):
            values["sandbox_release", key] = said(word)
    return values


def _relay_url(said: Callable[[str], str]) -> str:
    """Return the address of the relay of which a group of variables speaks."""
    user = f"{quote(said('USERNAME'), safe='')}@" if said("USERNAME") else ""
    place = f"{user}{said('HOST')}:{said('PORT') or '25'}"
    if said("TLS").lower() in _TRUE:
        return f"smtps://{place}"
    tls = "require" if said("STARTTLS").lower() in _TRUE else "may"
    return f"smtp://{place}?tls={tls}"


def _implicit_tls(environ: Mapping[str, str]) -> Values:
    """Return the port that speaks TLS from the first octet, where that is required."""
    if environ.get(f"{_PREFIX}SMTP_REQUIRE_TLS", "").strip().lower() not in _TRUE:
        return {}
    where = environ.get(f"{_PREFIX}SMTP_BIND_ADDR", "").strip() or "localhost:1025"
    return {("sandbox", "smtp"): [], ("sandbox", "smtps"): [where]}


def _people(expression: str) -> list[str]:
    r"""Return the patterns that a regular expression of Mailpit's stands for.

    Addresses and domains, alone or as alternatives, anchored so that they mean the same here:
    ``(@example\.com|^ann@example\.org)$``. Empty for anything else.
    """
    form = _ALTERNATIVES.fullmatch(expression)
    if form is None:
        return []
    found = [_WHO.fullmatch(each) for each in (form["grouped"] or form["single"] or "").split("|")]
    return [_pattern(each) for each in found if each is not None] if all(found) else []


def _pattern(who: re.Match[str]) -> str:
    local = (who["local"] or "").removeprefix("^")
    domain = who["domain"].replace("\\.", ".")
    return f"@{domain}" if local in {"", ".*", ".+"} else f"{local}@{domain}"


def _unread_lists(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what is told of lists that mean nothing here: without them too much could leave."""
    for word in _LISTS:
        name = f"{_PREFIX}SMTP_RELAY_{word}"
        expression = environ.get(name, "").strip()
        if expression and not _people(expression):
            yield Finding(
                level=Level.WARNING,
                code="PB-CONFIG-091",
                what=f"${name} cannot be read here, so that no mail is relayed at all.",
                why="It says who may get mail; without it, mail could go to others.",
                fix="Write addresses and domains such as (@example\\.com|^ann@example\\.org)$, "
                "or say sandbox_release.recipients and sandbox_release.blocked.",
                evidence=(f"${name}={expression}",),
            )


_ALIASES: Final[dict[str, Callable[[str], Values]]] = {
    "DATABASE": _own("database"),
    "DATA_FILE": _own("database"),  # its name in older versions
    "LABEL": _own("label"),
    "MAX_MESSAGES": _own("max_messages"),
    "MAX_AGE": _own("max_age"),
    "MAX_MESSAGE_SIZE": _megabytes,
    "SMTP_BIND_ADDR": _bind("smtp"),
    "SMTP_AUTH": _users("users", chooses=True),
    "SMTP_AUTH_FILE": _users_file,
    "SMTP_AUTH_ACCEPT_ANY": _accept_any,
    "SMTP_TLS_CERT": _certificate("certificate"),
    "SMTP_TLS_KEY": _certificate("key"),
    "SMTP_REQUIRE_STARTTLS": _own("require_tls"),
    "SMTP_SSL_CERT": _certificate("certificate"),  # older names
    "SMTP_SSL_KEY": _certificate("key"),
    "SMTP_TLS_REQUIRED": _own("require_tls"),
    "ENABLE_SPAMASSASSIN": _spamassassin,
    "SMTP_MAX_RECIPIENTS": _one("limits", "recipients_submission"),
    "UI_BIND_ADDR": _bind("http"),
    "UI_AUTH": _users("http_users"),
    "UI_AUTH_FILE": _own("http_users_file"),
    "WEBROOT": _own("webroot"),
    "POP3_BIND_ADDR": _bind("pop3"),
    "POP3_AUTH": _users("pop3_users"),
    "POP3_AUTH_FILE": _own("pop3_users_file"),
    "WEBHOOK_URL": _webhook,
    "CHAOS_TRIGGERS": _chaos,
    "TAG": _tags,
    "TAGS_DISABLE": _tags_disabled,
    "TAGS_USERNAME": _own("tag_by_user"),
}

# Read together.
_TOGETHER: Final = frozenset(
    {
        "SMTP_REQUIRE_TLS",
        *(
            f"SMTP_RELAY_{word}"
            for word in (
                "ALL", "ALLOWED_RECIPIENTS", "ALLOW_INSECURE", "AUTH", "BLOCKED_RECIPIENTS", "HOST",
                "MATCHING", "PASSWORD", "PORT", "RETURN_PATH", "STARTTLS", "TLS", "USERNAME",
            )
        ),
        *(
            f"SMTP_FORWARD_{word}"
            for word in (
                "ALLOW_INSECURE", "AUTH", "HOST", "PASSWORD", "PORT", "RETURN_PATH", "STARTTLS",
                "TLS", "TO", "USERNAME",
            )
        ),
    }
)  # fmt: skip

# What asks for something that is so anyway, or that has no meaning here, and harms nobody.
_NEEDLESS: Final = frozenset(
    {
        "ALLOW_UNTRUSTED_TLS",
        "BLOCK_REMOTE_CSS_AND_FONTS",
        "COMPRESSION",
        "DISABLE_HTML_CHECK",
        "DISABLE_HTTP_COMPRESSION",
        "DISABLE_VERSION_CHECK",
        "DISABLE_WAL",
        "ENABLE_CHAOS",
        "ENABLE_PROMETHEUS",
        "QUIET",
        "SMTP_AUTH_ALLOW_INSECURE",
        "SMTP_DISABLE_RDNS",
        "UI_AUTH_ALLOW_INSECURE",
        "VERBOSE",
    }
)
