"""The starter file that ``pillarbox init`` writes: complete, commented, and safe as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pillarbox.config.settings import TlsMode

__all__ = ["KINDS", "Answers", "starter"]

KINDS: Final = {
    "relay": "takes mail from this machine's programs and passes it to a smart host or the world",
    "mx": "takes a domain's mail from the world into Maildirs",
    "office": "both: people log in to send, and a domain's mail comes in",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a starter file is made from."""

    kind: str  # one of KINDS
    hostname: str = ""
    domain: str = "example.org"
    smarthost: str = ""  # HOST:PORT; "" delivers to the recipients' mail exchangers
    smarthost_user: str = ""
    smarthost_tls: TlsMode = TlsMode.STARTTLS
    directory: str = "var"
    low_ports: bool = False  # 25 and 587 instead of 2525 and 2587


def starter(answers: Answers) -> str:
    """Return the text of a configuration file."""
    parts = [_NODE.format(directory=answers.directory, hostname=_hostname(answers))]
    if answers.kind in {"relay", "office"}:
        port = 587 if answers.low_ports else 2587
        parts.append(_RELAY if answers.kind == "relay" else _OFFICE.format(port=port))
    if answers.kind in {"mx", "office"}:
        parts.append(_MX.format(domain=answers.domain, port=25 if answers.low_ports else 2527))
    if answers.kind != "mx":
        parts.append(_way_out(answers))
    return "\n".join(parts)


def _hostname(answers: Answers) -> str:
    return f'hostname = "{answers.hostname}"' if answers.hostname else _NO_HOSTNAME


def _way_out(answers: Answers) -> str:
    if not answers.smarthost:
        return _TO_THE_WORLD
    login = _LOGIN.format(user=answers.smarthost_user) if answers.smarthost_user else ""
    return _SMART_HOST.format(host=answers.smarthost, tls=answers.smarthost_tls.value, login=login)


_NODE: Final = """\
# pillarbox configuration. Every key: `pillarbox config reference`, docs/configuration.md.
# `pillarbox config check` finds mistakes; `pillarbox config show` prints the effective values.

[node]
# The name in this server's greetings. It should resolve to the address that mail leaves from,
# and that address should resolve back to it.
{hostname}
# Directory of the store, the control socket and the self-signed certificate.
directory = "{directory}"
"""

_NO_HOSTNAME: Final = '# hostname = "mail.example.org"   # default: this machine\'s name'

_RELAY: Final = """\
# Programs on this machine submit here without logging in.
[listener.submission]
kind = "submission"
bind = ["127.0.0.1:2525"]
trusted_networks = ["127.0.0.1", "::1"]
"""

_OFFICE: Final = """\
# People and programs log in and send. Without a certificate of your own, a self-signed one is
# used, which mail programs warn about.
[listener.submission]
kind = "submission"
bind = ["0.0.0.0:{port}"]
# Programs on this machine need not log in.
trusted_networks = ["127.0.0.1", "::1"]

# A line `user:hash` per user; `pillarbox auth hash` makes it.
# [auth]
# file = "/etc/pillarbox/users"       # mode 0600

# [tls]
# certificate = "/etc/pillarbox/fullchain.pem"
# key = "/etc/pillarbox/privkey.pem"  # mode 0600
"""

_MX: Final = """\
# Other mail servers deliver here, for the local domain only.
[listener.mx]
kind = "mx"
bind = ["0.0.0.0:{port}"]

[domain."{domain}"]
recipients = ["postmaster"]           # more of them here, or one per line in a file:
# recipients_file = "/etc/pillarbox/recipients"
# aliases_file = "/etc/pillarbox/aliases"   # sales: ann@{domain}, bob@{domain}
route = "mailboxes"

[route.mailboxes]
kind = "maildir"
path = "var/mail/{{domain}}/{{local}}"
"""

_SMART_HOST: Final = """\
# All outgoing mail goes through one server.
[route.out]
kind = "smarthost"
host = "{host}"
tls = "{tls}"
{login}recipients = ["*"]
"""

_LOGIN: Final = """\
user = "{user}"
password_file = "smarthost-password"  # mode 0600; contains only the password
"""

_TO_THE_WORLD: Final = """\
# Outgoing mail goes to the recipients' mail exchangers. Many networks block port 25; if yours
# does, send through your provider instead: kind = "smarthost", host = "smtp.example.net:587".
[route.out]
kind = "mx"
recipients = ["*"]
"""
