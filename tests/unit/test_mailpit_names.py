"""Mailpit's environment variables as settings of the sandbox."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pillarbox.config.error import ConfigError
from pillarbox.config.loader import load
from pillarbox.config.mailpit import with_mailpit_names
from pillarbox.config.settings import SandboxAuth, Settings

_MIB = 1024 * 1024


def read(environ: dict[str, str], file: Path | None = None) -> tuple[Settings, list[str]]:
    """Return the settings, and what is told of the variables."""
    settings, findings = with_mailpit_names(load(file or Path("/dev/null"), environ), environ)
    return settings, [finding.what for finding in findings]


@pytest.mark.parametrize(
    ("name", "value", "setting", "meant"),
    [
        ("MP_DATABASE", "/x/mail.db", "database", Path("/x/mail.db")),
        ("MP_LABEL", "mine", "label", "mine"),
        ("MP_MAX_MESSAGES", "0", "max_messages", 0),
        ("MP_MAX_AGE", "36h", "max_age", 36 * 3_600.0),
        ("MP_MAX_MESSAGE_SIZE", "30", "max_message_size", 30 * _MIB),
        ("MP_SMTP_BIND_ADDR", "0.0.0.0:1025", "smtp", ("0.0.0.0:1025",)),
        ("MP_SMTP_BIND_ADDR", ":1025", "smtp", (":1025",)),
        ("MP_UI_BIND_ADDR", "[::]:8025", "http", ("[::]:8025",)),
        ("MP_POP3_BIND_ADDR", "0.0.0.0:1110", "pop3", ("0.0.0.0:1110",)),
        ("MP_WEBROOT", "/mail", "webroot", "/mail"),
        ("MP_SMTP_AUTH", "a:b c:d,e", "users", ("a:b", "c:d,e")),
        ("MP_SMTP_AUTH", "a:b", "auth", SandboxAuth.CHOSEN),
        ("MP_SMTP_AUTH", "a:b", "needs_login", True),
        ("MP_SMTP_AUTH_FILE", "/x/users", "needs_login", True),
        ("MP_SMTP_AUTH_ACCEPT_ANY", "true", "needs_login", False),
        ("MP_SMTP_AUTH_FILE", "/x/users", "users_file", Path("/x/users")),
        ("MP_SMTP_AUTH_FILE", "/x/users", "auth", SandboxAuth.CHOSEN),
        ("MP_SMTP_AUTH_ACCEPT_ANY", "true", "auth", SandboxAuth.ANY),
        ("MP_SMTP_TLS_CERT", "/x/cert.pem", "certificate", Path("/x/cert.pem")),
        ("MP_SMTP_TLS_CERT", "/x/cert.pem", "offers_starttls", True),
        ("MP_SMTP_TLS_CERT", "sans:localhost", "certificate", None),
        ("MP_SMTP_TLS_CERT", "sans:localhost", "offers_starttls", True),
        ("MP_SMTP_REQUIRE_STARTTLS", "1", "offers_starttls", True),
        ("MP_LABEL", "mine", "offers_starttls", False),
        ("MP_SMTP_REQUIRE_STARTTLS", "1", "require_tls", True),
        ("MP_UI_AUTH", "a:b c:d", "http_users", ("a:b", "c:d")),
        ("MP_POP3_AUTH", "a:b", "pop3_users", ("a:b",)),
        ("MP_POP3_AUTH_FILE", "/x/users", "pop3_users_file", Path("/x/users")),
        ("MP_TAG", "big=larger:1M, bob=to:bob", "tags", ("big: larger:1M", "bob: to:bob")),
        ("MP_TAGS_DISABLE", "plus-addresses", "tag_by_address", False),
        ("MP_TAGS_DISABLE", "plus-addresses", "tag_by_header", True),
        ("MP_TAGS_USERNAME", "true", "tag_by_user", True),
        ("MP_LABEL", "", "label", ""),
        ("MP_SMTP_REQUIRE_TLS", "true", "smtp", ()),
        ("MP_SMTP_REQUIRE_TLS", "true", "smtps", ("localhost:1025",)),
        ("MP_ENABLE_SPAMASSASSIN", "spamd:783", "spamassassin", "spamd:783"),
        ("MP_ENABLE_SPAMASSASSIN", "postmark", "spamassassin", ""),
    ],
)
def test_a_variable_means_the_setting(name: str, value: str, setting: str, meant: Any) -> None:
    """Each variable that the sandbox has a setting for is that setting."""
    settings, told = read({name: value})
    assert getattr(settings.sandbox, setting) == meant
    assert told == []


def test_accepting_any_login_goes_before_chosen_ones() -> None:
    """MP_SMTP_AUTH_ACCEPT_ANY wins over a list of users, whatever order they come in."""
    settings, _ = read({"MP_SMTP_AUTH_ACCEPT_ANY": "1", "MP_SMTP_AUTH": "a:b"})
    assert settings.sandbox.auth is SandboxAuth.ANY
    assert not settings.sandbox.needs_login


def test_what_is_configured_says_whether_mail_needs_a_login(tmp_path: Path) -> None:
    """With require_auth = false, Mailpit's list of users lets mail without a login in."""
    file = tmp_path / "pillarbox.toml"
    file.write_text("[sandbox]\nrequire_auth = false\n")
    settings, _ = read({"MP_SMTP_AUTH": "a:b"}, file)
    assert settings.sandbox.logins is SandboxAuth.CHOSEN
    assert not settings.sandbox.needs_login


def test_a_relay_a_webhook_and_chaos_are_understood() -> None:
    """What Mailpit says in several variables is one relay; its webhook is one of ours."""
    settings, told = read(
        {
            "MP_SMTP_RELAY_HOST": "relay.test",
            "MP_SMTP_RELAY_PORT": "587",
            "MP_SMTP_RELAY_STARTTLS": "true",
            "MP_SMTP_RELAY_AUTH": "plain",
            "MP_SMTP_RELAY_USERNAME": "ann@x.test",
            "MP_SMTP_RELAY_PASSWORD": "p@ss:word",
            "MP_SMTP_RELAY_ALL": "true",
            "MP_WEBHOOK_URL": "http://localhost:9000/hook",
            "MP_ENABLE_CHAOS": "true",
            "MP_CHAOS_TRIGGERS": "Sender:451:50",
        }
    )
    release = settings.sandbox_release
    assert release.relay == "smtp://ann%40x.test@relay.test:587?tls=require"
    assert (release.password, release.recipients) == ("p@ss:word", ("*",))
    assert settings.sandbox_webhook["mailpit"].url == "http://localhost:9000/hook"
    assert settings.sandbox_forward["mailpit"].search == ""
    assert settings.sandbox.chaos == "Sender:451:50"
    assert told == []
    assert read({"MP_SMTP_RELAY_PORT": "587"})[0].sandbox_release.relay == ""


@pytest.mark.parametrize(
    ("expression", "patterns"),
    [
        (r"@example\.com$", ("@example.com",)),
        (r"^ann@example\.com$", ("ann@example.com",)),
        (r"(@example\.com|^bob@mail\.example\.org|.*@x\.test)$",
         ("@example.com", "bob@mail.example.org", "@x.test")),
    ],
)  # fmt: skip
def test_who_may_get_mail_is_understood(expression: str, patterns: tuple[str, ...]) -> None:
    """Mailpit's lists of addresses and domains are lists of the relay, and nobody is told."""
    host = {"MP_SMTP_RELAY_HOST": "relay.test"}
    settings, told = read(host | {"MP_SMTP_RELAY_ALLOWED_RECIPIENTS": expression})
    assert (settings.sandbox_release.recipients, told) == (patterns, [])
    settings, told = read(host | {"MP_SMTP_RELAY_BLOCKED_RECIPIENTS": expression})
    assert (settings.sandbox_release.blocked, told) == (patterns, [])


@pytest.mark.parametrize("name", ["ALLOWED_RECIPIENTS", "BLOCKED_RECIPIENTS"])
@pytest.mark.parametrize(
    "expression",
    [r"@example\.com", r"@example.com$", r"ann@example\.com$", r"@a\.com|@b\.com$", r"^@a\.com$",
     r"@(a|b)\.com$", ".*", r"(@a\.com|[xy]@b\.com)$", "(", "$", "()$"],
)  # fmt: skip
def test_a_list_that_cannot_be_read_lets_nothing_out(name: str, expression: str) -> None:
    """Where it is not certain who may get mail, there is no relay, and that is told."""
    environ = {"MP_SMTP_RELAY_HOST": "relay.test", "MP_SMTP_RELAY_ALL": "true"}
    settings, told = read(environ | {f"MP_SMTP_RELAY_{name}": expression})
    assert settings.sandbox_release.relay == ""
    assert settings.sandbox_forward == {}
    assert told == [
        f"$MP_SMTP_RELAY_{name} cannot be read here, so that no mail is relayed at all."
    ]


def test_ours_goes_before_mailpits_and_that_before_the_file(tmp_path: Path) -> None:
    """PILLARBOX_... wins over MP_..., which wins over the configuration file."""
    file = tmp_path / "pillarbox.toml"
    file.write_text("[sandbox]\nmax_messages = 1\nlabel = 'file'\n")
    ours = {"PILLARBOX_SANDBOX__MAX_MESSAGES": "3"}
    assert read({}, file)[0].sandbox.max_messages == 1
    assert read({"MP_MAX_MESSAGES": "2"}, file)[0].sandbox.max_messages == 2
    settings, _ = read({"MP_MAX_MESSAGES": "2"} | ours, file)
    assert settings.sandbox.max_messages == 3
    assert settings.sandbox.label == "file"


def test_what_nobody_knows_is_told_of_in_one_warning() -> None:
    """Unknown variables never keep the sandbox from starting; those that need nothing are quiet."""
    _, told = read({"MP_B": "1", "MP_A": "1", "MP_QUIET": "1", "OTHER": "1"})
    assert told == ["$MP_A, $MP_B: not known here, and ignored."]


@pytest.mark.parametrize(
    ("name", "value"),
    [("MP_MAX_MESSAGES", "many"), ("MP_MAX_AGE", "3 moons"), ("MP_TAGS_USERNAME", "perhaps")],
)
def test_a_value_that_cannot_be_is_an_error(name: str, value: str) -> None:
    """A variable that is known and has no meaning is told of by its name."""
    with pytest.raises(ConfigError) as refused:
        read({name: value})
    assert f"${name} takes" in refused.value.findings[0].what


def test_mail_is_relayed_to_those_who_match_and_to_nobody_else() -> None:
    """MP_SMTP_RELAY_MATCHING forwards by itself; what cannot be read relays nothing."""
    relay = {"MP_SMTP_RELAY_HOST": "relay.test"}
    settings, told = read({**relay, "MP_SMTP_RELAY_MATCHING": r"(@example\.com)$"})
    assert settings.sandbox_release.recipients == ("@example.com",)
    assert settings.sandbox_forward["mailpit"].search == ""
    assert told == []
    settings, told = read({**relay, "MP_SMTP_RELAY_MATCHING": r"[a-f]+@"})
    assert not settings.sandbox_release.relay
    assert "no mail is relayed" in told[0]


def test_all_mail_is_forwarded_to_a_few() -> None:
    """MP_SMTP_FORWARD_... is a relay, whom it may lead to, and a rule for all mail."""
    settings, told = read(
        {
            "MP_SMTP_FORWARD_HOST": "relay.test",
            "MP_SMTP_FORWARD_PORT": "587",
            "MP_SMTP_FORWARD_STARTTLS": "true",
            "MP_SMTP_FORWARD_USERNAME": "ann",
            "MP_SMTP_FORWARD_PASSWORD": "secret",
            "MP_SMTP_FORWARD_TO": "bob@example.com, team@example.com",
        }
    )
    people = ("bob@example.com", "team@example.com")
    assert settings.sandbox_release.relay == "smtp://ann@relay.test:587?tls=require"
    assert settings.sandbox_release.password == "secret"
    assert settings.sandbox_release.recipients == people
    assert settings.sandbox_forward["mailpit"].recipients == people
    assert told == []
