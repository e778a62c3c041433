"""The start screen of ``pillarbox sandbox``: its addresses, its limits, how to begin."""

from __future__ import annotations

from typing import Any, Final

from rich.text import Text

from pillarbox import __version__
from pillarbox.cli.output import Out, plural, show_age, show_size
from pillarbox.config.endpoints import is_loopback
from pillarbox.config.settings import SandboxAuth, SandboxSettings, Settings
from pillarbox.sandbox.info import Addresses

__all__ = ["describe", "page_url", "show_screen"]

_LOGIN: Final = {
    SandboxAuth.ANY: "any user name and password",
    SandboxAuth.CHOSEN: "chosen user names",
    SandboxAuth.REFUSE: "every login is refused, on purpose",
    SandboxAuth.NONE: "no login",
}
_SHOWN_USERS: Final = 5


def show_screen(out: Out, settings: Settings, addresses: Addresses) -> None:
    """Show everything that a person needs to begin."""
    own = settings.sandbox
    label = f"  {own.label}" if own.label else ""
    out.line(
        Text.assemble(
            "\n", ("pillarbox sandbox", "strong"), (f" {__version__}", "quiet"), label, "\n"
        )
    )
    out.fields(_places(own, addresses))
    out.line()
    doors = [("Open", Text(door, "doubt")) for door in _open_doors(own, addresses)]
    logins = [("Login", _login(settings))] if own.logins is SandboxAuth.CHOSEN else []
    out.fields([*logins, ("Stored", _kept(own)), ("Leaves", _leaves(settings)), *doors])
    _show_ways(out, settings, addresses)
    out.line(Text("\nPress Ctrl-C to stop.", "quiet"))


def describe(settings: Settings, addresses: Addresses, certificate: str) -> dict[str, Any]:
    """Return the same for programs."""
    own = settings.sandbox
    return {
        "version": __version__,
        "label": own.label,
        "smtp": list(addresses.smtp),
        "smtps": list(addresses.smtps),
        "http": [page_url(each, own) for each in addresses.http],
        "pop3": list(addresses.pop3),
        "database": None if own.database is None else str(own.database),
        "max_messages": own.max_messages,
        "max_age": own.max_age,
        "max_size": own.max_size,
        "auth": own.logins.value,
        "require_auth": own.needs_login,
        "certificate": certificate,
    }


def page_url(address: str, own: SandboxSettings) -> str:
    """Return what to open in a browser for an address that the page listens on."""
    host, _, port = address.rpartition(":")
    if host in {"0.0.0.0", "[::]"}:
        host = "localhost"
    webroot = own.webroot.strip("/")
    return f"http://{host}:{port}/" + (f"{webroot}/" if webroot else "")


def _places(own: SandboxSettings, addresses: Addresses) -> list[tuple[str, str | Text]]:
    rows: list[tuple[str, str | Text]] = []

    def add(label: str, where: tuple[str, ...], note: str) -> None:
        for number, address in enumerate(where):
            shown = Text.assemble((f"{address:<26} ", "id"), (note if not number else "", "quiet"))
            rows.append((label if not number else "", shown))

    tls = "plain and STARTTLS" if own.offers_starttls else "plain (--starttls adds TLS)"
    login = _LOGIN[own.logins]
    if own.logins in {SandboxAuth.ANY, SandboxAuth.CHOSEN}:
        login += ", or none" if not own.needs_login else "; login required"
    add("SMTP", addresses.smtp, f"{tls}; {login}")
    add("SMTPS", addresses.smtps, "TLS from the first octet")
    pages = tuple(page_url(each, own) for each in addresses.http)
    add("Page", pages, "caught mail" + ("; password required" if _is_closed(own) else ""))
    add("API", tuple(f"{page}api/docs" for page in pages[:1]), "and Mailpit's, under /api/v1")
    add("POP3", addresses.pop3, "for mail programs")
    return rows


def _is_closed(own: SandboxSettings) -> bool:
    return bool(own.http_users or own.http_users_file or own.http_token)


def _open_doors(own: SandboxSettings, addresses: Addresses) -> list[str]:
    """Return a sentence for each way by which other machines read the mail without a password."""
    doors = []
    if not _is_closed(own) and any(map(_is_reachable, addresses.http)):
        doors.append(
            "Anyone who can reach this machine can read and delete the mail on the page: listen "
            "on localhost, or set a password with --http-user USER:PASSWORD."
        )
    if not (own.pop3_users or own.pop3_users_file) and any(map(_is_reachable, addresses.pop3)):
        doors.append(
            "Anyone who can reach this machine can read the mail over POP3: use --pop3 "
            "localhost:1110 or off, or set sandbox.pop3_users."
        )
    return doors


def _is_reachable(address: str) -> bool:
    return not is_loopback(address.rpartition(":")[0].strip("[]"))


def _login(settings: Settings) -> str:
    """Return who may log in, how, and what becomes of mail without a login."""
    own = settings.sandbox
    users = _user_names(settings)
    names = [*users[:_SHOWN_USERS], *(["..."] if len(users) > _SHOWN_USERS else [])]
    if own.users_file is not None:
        names.append(f"those in {own.users_file}")
    who = ", ".join(names) or "nobody yet: add one with --user USER:PASSWORD"
    if own.needs_login:
        return f"{who}; with AUTH PLAIN or LOGIN. Mail without a login is refused (530)"
    return f"{who}; with AUTH PLAIN or LOGIN. Mail without a login is caught, too"


def _user_names(settings: Settings) -> list[str]:
    own = [each.partition(":")[0] for each in settings.sandbox.users]
    of_projects = [user for each in settings.sandbox_project.values() for user in each.users]
    return list(dict.fromkeys([*own, *of_projects]))


def _kept(own: SandboxSettings) -> str:
    where = "in memory, until the sandbox stops" if own.database is None else f"in {own.database}"
    caps = []
    if own.max_messages:
        caps.append(plural(own.max_messages, "message"))
    if own.max_size:
        caps.append(show_size(own.max_size))
    if own.max_age:
        caps.append(f"{show_age(own.max_age)} old")
    if not caps:
        return f"{where}; no limit"
    return f"{where}; at most {' and '.join(caps)}, then the oldest is removed first"


def _leaves(settings: Settings) -> str:
    release = settings.sandbox_release
    if not (release.relay and release.recipients):
        return "nothing: no mail is sent on from here"
    allowed = ", ".join(release.recipients)
    if settings.sandbox_forward:
        return (
            f"what is released, and what {plural(len(settings.sandbox_forward), 'rule')} "
            f"forwards, to {allowed}"
        )
    return f"only messages that somebody releases, to {allowed}"


def _show_ways(out: Out, settings: Settings, addresses: Addresses) -> None:
    if not addresses.smtp:
        return
    host, _, port = addresses.smtp[0].rpartition(":")
    host = "localhost" if host in {"0.0.0.0", "[::]"} else host
    user = next(iter(_user_names(settings)), "USER") if settings.sandbox.needs_login else ""
    out.line(Text("\nSend a first message", "strong"))
    for name, way, login in _WAYS:
        shown = way.format(host=host, port=port, login=login.format(user=user) if user else "")
        out.line(Text.assemble((f"  {name:<10}", "quiet"), shown))
    if settings.sandbox.fail_by_address:
        out.line(Text("\nSee it fail on purpose", "strong"))
        out.line(
            "  550@example.org  greylist@example.org  slow-5s@example.org  dropafterdot@example.org"
        )


# How each sends a first mail, and what it says of a login where one is needed.
_WAYS: Final = (
    (
        "Shell",
        "pillarbox send --to bob@example.org --server {host}:{port}{login}",
        " -u {user} --password-env SMTP_PASSWORD",
    ),
    (
        "curl",
        "echo 'Subject: Hello' | curl smtp://{host}:{port} --mail-rcpt bob@example.org -T -{login}",
        " -u {user}:PASSWORD",
    ),
    (
        "Python",
        (
            'smtp = smtplib.SMTP("{host}", {port}){login}; '
            'smtp.sendmail("ann@x.test", "bob@x.test", "Subject: Hello")'
        ),
        '; smtp.login("{user}", "PASSWORD")',
    ),
    (
        "Node.js",
        'nodemailer.createTransport({{ host: "{host}", port: {port}{login} }})',
        ', auth: {{ user: "{user}", pass: "PASSWORD" }}',
    ),
    ("PHP", "MAILER_DSN=smtp://{login}{host}:{port}", "{user}:PASSWORD@"),
    (
        "Laravel",
        "MAIL_HOST={host} MAIL_PORT={port}{login}",
        " MAIL_USERNAME={user} MAIL_PASSWORD=PASSWORD",
    ),
    (
        "Django",
        'EMAIL_HOST = "{host}"; EMAIL_PORT = {port}{login}',
        '; EMAIL_HOST_USER = "{user}"; EMAIL_HOST_PASSWORD = "PASSWORD"',
    ),
    (
        "Rails",
        'smtp_settings = {{ address: "{host}", port: {port}{login} }}',
        ', user_name: "{user}", password: "PASSWORD"',
    ),
    (
        "Java",
        "spring.mail.host={host}  spring.mail.port={port}{login}",
        "  spring.mail.username={user}  spring.mail.password=PASSWORD",
    ),
)
