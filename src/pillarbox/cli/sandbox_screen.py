"""What ``pillarbox sandbox`` shows when it is ready: where it is, what it keeps, how to begin."""

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
    SandboxAuth.ANY: "any user name and password, or none",
    SandboxAuth.CHOSEN: "the user names of the sandbox and its projects",
    SandboxAuth.REFUSE: "every login is refused, on purpose",
    SandboxAuth.NONE: "no login",
}


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
    out.fields([("Kept", _kept(own)), ("Leaves", _leaves(settings)), *doors])
    _show_ways(out, own, addresses)
    out.line(Text("\nIt runs until Ctrl-C.", "quiet"))


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
        "auth": own.auth.value,
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

    tls = "plain and STARTTLS" if own.starttls else "plain"
    add("SMTP", addresses.smtp, f"{tls}; {_LOGIN[own.auth]}")
    add("SMTPS", addresses.smtps, "TLS from the first octet")
    pages = tuple(page_url(each, own) for each in addresses.http)
    add("Page", pages, "what was caught" + ("; with a password" if _is_closed(own) else ""))
    add("API", tuple(f"{page}api/docs" for page in pages[:1]), "and Mailpit's, below /api/v1")
    add("POP3", addresses.pop3, "for mail programs")
    return rows


def _is_closed(own: SandboxSettings) -> bool:
    return bool(own.http_users or own.http_users_file or own.http_token)


def _open_doors(own: SandboxSettings, addresses: Addresses) -> list[str]:
    """Return a sentence for each way by which other machines read the mail without a password."""
    doors = []
    if not _is_closed(own) and any(map(_is_reachable, addresses.http)):
        doors.append(
            "Whoever reaches this machine can read and delete the mail on the page: listen on "
            "localhost, or set a password with --http-user USER:PASSWORD."
        )
    if not (own.pop3_users or own.pop3_users_file) and any(map(_is_reachable, addresses.pop3)):
        doors.append(
            "Whoever reaches this machine can read the mail by POP3: use "
            "--pop3 localhost:1110 or off, or set sandbox.pop3_users."
        )
    return doors


def _is_reachable(address: str) -> bool:
    return not is_loopback(address.rpartition(":")[0].strip("[]"))


def _kept(own: SandboxSettings) -> str:
    where = "in memory, until it ends" if own.database is None else f"in {own.database}"
    caps = []
    if own.max_messages:
        caps.append(plural(own.max_messages, "mail"))
    if own.max_size:
        caps.append(show_size(own.max_size))
    if own.max_age:
        caps.append(f"{show_age(own.max_age)} old")
    if not caps:
        return f"{where}; there is no cap"
    return f"{where}; at most {' and '.join(caps)}, then the oldest goes first"


def _leaves(settings: Settings) -> str:
    release = settings.sandbox_release
    if not (release.relay and release.recipients):
        return "nothing: no mail is passed on from here"
    allowed = ", ".join(release.recipients)
    if settings.sandbox_forward:
        return (
            f"what is released, and what {plural(len(settings.sandbox_forward), 'rule')} "
            f"forwards, to {allowed}"
        )
    return f"only what somebody releases, to {allowed}"


def _show_ways(out: Out, own: SandboxSettings, addresses: Addresses) -> None:
    if not addresses.smtp:
        return
    host, _, port = addresses.smtp[0].rpartition(":")
    host = "localhost" if host in {"0.0.0.0", "[::]"} else host
    out.line(Text("\nSend a first mail", "strong"))
    ways = (
        ("Shell", f"pillarbox send --to bob@example.org --server {host}:{port}"),
        (
            "curl",
            f"echo 'Subject: Hello' | curl smtp://{host}:{port} --mail-rcpt bob@example.org -T -",
        ),
        (
            "Python",
            f'smtplib.SMTP("{host}", {port}).sendmail("ann@x.test", "bob@x.test", "Subject: Hello")',
        ),
        ("Node.js", f'nodemailer.createTransport({{ host: "{host}", port: {port} }})'),
        ("PHP", f"MAILER_DSN=smtp://{host}:{port}    Laravel: MAIL_HOST={host} MAIL_PORT={port}"),
        ("Django", f'EMAIL_HOST = "{host}"; EMAIL_PORT = {port}'),
        ("Rails", f'smtp_settings = {{ address: "{host}", port: {port} }}'),
        ("Java", f"spring.mail.host={host}  spring.mail.port={port}"),
    )
    for name, way in ways:
        out.line(Text.assemble((f"  {name:<10}", "quiet"), way))
    if own.fail_by_address:
        out.line(Text("\nSee it fail, on purpose", "strong"))
        out.line(
            "  550@example.org  greylist@example.org  slow-5s@example.org  dropafterdot@example.org"
        )
