"""How a program is pointed at the sandbox: its address, and the lines for each framework.

The host is the one that the page was asked for by, so that what is copied works from where
the reader sits; the port is the one that the sandbox listens on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from pillarbox.sandbox.info import Info
from pillarbox.web.security import host_name

__all__ = ["Connection", "Snippet", "connection_of"]

_CREDENTIALS: Final = {
    "any": "any",
    "chosen": "one of those in the settings",
    "refuse": "any is refused, on purpose",
    "none": "none: it offers no login",
}


@dataclass(frozen=True, slots=True)
class Snippet:
    """The lines for one framework."""

    key: str
    name: str
    file: str  # where they go, "" for a command
    text: str


@dataclass(frozen=True, slots=True)
class Connection:
    """Where programs send to."""

    host: str
    port: int
    has_tls: bool
    credentials: str
    snippets: tuple[Snippet, ...]


def connection_of(request: Request, info: Info) -> Connection:
    """Return how to reach the sandbox that answers a request."""
    host = host_name(request.headers.get("host", "")) or "localhost"
    address = info.addresses.smtp[0] if info.addresses.smtp else ""
    port = address.rpartition(":")[2]
    number = int(port) if port.isdecimal() else 1025
    snippets = tuple(
        Snippet(key, name, file, text.replace("HOST", host).replace("PORT", str(number)))
        for key, name, file, text in _SNIPPETS
    )
    credentials = _CREDENTIALS.get(info.auth, info.auth)
    if info.auth in {"any", "chosen"}:
        credentials += "; mail without a login is refused" if info.needs_login else ", or none"
    return Connection(host, number, info.has_tls, credentials, snippets)


_SNIPPETS: Final = (
    (
        "command",
        "Command line",
        "",
        (
            "pillarbox send --server HOST:PORT --to ann@example.com --subject Hello\n\n"
            "swaks --server HOST:PORT --to ann@example.com\n\n"
            "curl smtp://HOST:PORT --mail-from app@example.com \\\n"
            "  --mail-rcpt ann@example.com --upload-file mail.eml"
        ),
    ),
    (
        "django",
        "Django",
        "settings.py",
        (
            'EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"\n'
            'EMAIL_HOST = "HOST"\nEMAIL_PORT = PORT\nEMAIL_USE_TLS = False'
        ),
    ),
    (
        "laravel",
        "Laravel",
        ".env",
        "MAIL_MAILER=smtp\nMAIL_HOST=HOST\nMAIL_PORT=PORT\nMAIL_USERNAME=null\nMAIL_PASSWORD=null",
    ),
    (
        "node",
        "Node",
        "nodemailer",
        (
            'import nodemailer from "nodemailer";\n\n'
            'const mail = nodemailer.createTransport({ host: "HOST", port: PORT, secure: false });\n'
            "await mail.sendMail({\n"
            '  from: "app@example.com",\n  to: "ann@example.com",\n'
            '  subject: "Hello",\n  text: "It works.",\n});'
        ),
    ),
    (
        "rails",
        "Rails",
        "config/environments/development.rb",
        (
            "config.action_mailer.delivery_method = :smtp\n"
            'config.action_mailer.smtp_settings = { address: "HOST", port: PORT }'
        ),
    ),
    (
        "spring",
        "Spring",
        "application.properties",
        "spring.mail.host=HOST\nspring.mail.port=PORT",
    ),
    (
        "php",
        "PHP",
        "php.ini",
        (
            "; Symfony: MAILER_DSN=smtp://HOST:PORT\n"
            'sendmail_path = "pillarbox-sendmail --server HOST:PORT -t -i"'
        ),
    ),
    (
        "python",
        "Python",
        "smtplib",
        (
            "import smtplib\nfrom email.message import EmailMessage\n\n"
            'message = EmailMessage()\nmessage["From"] = "app@example.com"\n'
            'message["To"] = "ann@example.com"\nmessage["Subject"] = "Hello"\n'
            'message.set_content("It works.")\n\n'
            'with smtplib.SMTP("HOST", PORT) as server:\n    server.send_message(message)'
        ),
    ),
    (
        "go",
        "Go",
        "net/smtp",
        (
            'err := smtp.SendMail("HOST:PORT", nil, "app@example.com",\n'
            '\t[]string{"ann@example.com"},\n'
            '\t[]byte("Subject: Hello\\r\\n\\r\\nIt works.\\r\\n"))'
        ),
    ),
    (
        "compose",
        "Any, by URL",
        "environment",
        "SMTP_URL=smtp://HOST:PORT\nEMAIL_URL=smtp://HOST:PORT\nMAILER_DSN=smtp://HOST:PORT",
    ),
)
