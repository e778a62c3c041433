"""Mails that lost their proof of who sent them, and what `check message` says of them."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from tests.authentic_mail import key_line, key_of, message
from tests.situations.situation import Healthy, Situation, Told

from pillarbox.cli.main import cli
from pillarbox.mailauth import dkim

__all__ = ["BROKEN", "HEALTHY"]

_ZONE = """\
$TTL 60
$ORIGIN .
example.net. MX 10 mx.example.net.
mx.example.net. A 192.0.2.1
1.2.0.192.in-addr.arpa. PTR mx.example.net.
example.net. TXT "v=spf1 ip4:192.0.2.1 -all"
_dmarc.example.net. TXT "v=DMARC1; p=reject; rua=mailto:d@example.net"
mailer.example. TXT "v=spf1 ip4:198.51.100.1 -all"
out.mailer.example. A 198.51.100.1
1.100.51.198.in-addr.arpa. PTR out.mailer.example.
"""
_OWN = ("192.0.2.1", "mx.example.net", "ann@example.net")
_MAILER = ("198.51.100.1", "out.mailer.example", "bounce@mailer.example")
_FORWARDED = ("198.51.100.1", "out.mailer.example", "ann@example.net")
_UNNAMED = ("192.0.2.77", "dsl-77.example", "ann@example.net")


def _signed(domain: str = "example.net") -> bytes:
    """Return a mail that a domain has signed just now."""
    octets = message()
    return dkim.sign(octets, [key_of(domain)], now=time.time()) + octets


def _look(
    content: bytes, client: tuple[str, str, str] = _OWN, *lines: str, zone: str = _ZONE
) -> Told:
    """Say what `check message` says of a mail that a client brings."""
    ip, helo, sender = client
    with tempfile.TemporaryDirectory() as folder:
        mail, names = Path(folder) / "mail.eml", Path(folder) / "zone"
        mail.write_bytes(content)
        names.write_text("\n".join([zone, *lines, ""]))
        options = ("--zone", str(names), "--ip", ip, "--helo", helo, "--from", sender, "--json")
        result = CliRunner().invoke(cli, ["check", "message", str(mail), *options])
    said: dict[str, Any] = json.loads(result.output)
    blamed = [one for one in said["findings"] if one["level"] in {"error", "warning"}]
    nothing: dict[str, Any] = {"code": "", "what": "", "why": "", "fix": "", "evidence": []}
    first = blamed[0] if blamed else nothing
    return Told(
        cause=first["code"],
        fix=first["fix"],
        words=" ".join((first["what"], first["why"], *first["evidence"])),
        blamed=tuple(one["code"] for one in blamed),
    )


_KEY = key_line("example.net")
_OTHER_KEY = key_line("example.org").replace("example.org", "example.net")
_CUT_KEY = 'sel._domainkey.example.net. TXT "v=DKIM1; k=rsa; p=MIIBIjANBgkqh"'


def _good() -> Told:
    return _look(_signed(), _OWN, _KEY)


def _without_key() -> Told:
    return _look(_signed())


def _with_cut_key() -> Told:
    return _look(_signed(), _OWN, _CUT_KEY)


def _with_other_key() -> Told:
    return _look(_signed(), _OWN, _OTHER_KEY)


def _with_footer() -> Told:
    return _look(_signed() + b"-- \r\nTo leave this list, write to ...\r\n", _MAILER, _KEY)


def _with_tag() -> Told:
    tagged = _signed().replace(b"Subject: Greetings", b"Subject: [list] Greetings")
    return _look(tagged, _MAILER, _KEY)


def _signed_by_mailer() -> Told:
    return _look(_signed("mailer.example"), _MAILER, key_line("mailer.example"))


def _unsigned() -> Told:
    return _look(message())


def _forged() -> Told:
    return _look(message(), _UNNAMED)


def _forwarded() -> Told:
    return _look(_signed(), _FORWARDED, _KEY)


_LOST = (
    ("a key that is missing", _without_key, "005", "there is no key", "publish the signing key"),
    ("a key that was cut off", _with_cut_key, "005", "p= is not base64", "publish the signing key"),
    ("another key than the one that signed", _with_other_key, "005", "another key", "publish"),
    ("a footer that a list appended", _with_footer, "005", "appended", "before the mail is signed"),
    (
        "a subject that a list tagged",
        _with_tag,
        "005",
        "subject was tagged",
        "before the mail is signed",
    ),
    (
        "a mailer that signs and sends as itself",
        _signed_by_mailer,
        "006",
        "not aligned",
        "author's own domain",
    ),
    ("mail without a signature", _unsigned, "002", "no DKIM", "sign"),
    ("mail that somebody else has written", _forged, "006", "DMARC", "author's own domain"),
)

BROKEN: tuple[Situation, ...] = tuple(
    Situation(
        name=name,
        command="check message",
        look=look,
        cause=f"PB-MAIL-{code}",
        said=said,
        fix=fix,
        mended=_good,
    )
    for name, look, code, said, fix in _LOST
)
HEALTHY: tuple[Healthy, ...] = (
    Healthy(name="signed and sent by its own server", command="check message", look=_good),
    Healthy(name="forwarded as it was", command="check message", look=_forwarded),
)
