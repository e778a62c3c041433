"""Every known form in which strangers have asked mail servers to relay.

From the lists of nmap's smtp-open-relay, abuse.net and MAPS, from advisories of the last twenty
years, and a few of our own. Each is what follows ``RCPT TO:``, literally: many are not paths at
all, and a server must refuse those as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["PROOF_USER", "Form", "Scene", "recipient_forms", "sender_forms"]

PROOF_USER = "relay-proof"
"""A local part that nobody has, so that no form reaches a mailbox by chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The names that forms are composed of."""

    local: str  # a domain of ours
    outside: str  # a domain that is not
    host: str  # our host name
    address: str  # our address
    outside_address: str = "198.51.100.7"  # RFC 5737: nobody's


@dataclass(frozen=True, slots=True)
class Form:
    """One form."""

    name: str
    path: str  # what follows "RCPT TO:"


def sender_forms(scene: Scene) -> tuple[str, ...]:
    """Return reverse-paths, brackets included: null, foreign, and forged to look local."""
    user = PROOF_USER
    return (
        "<>",
        f"<{user}@{scene.outside}>",
        f"<{user}@{scene.local}>",
        f"<{user}>",
        f"<{user}@localhost>",
        f"<{user}@{scene.host}>",
        f"<{user}@{_literal(scene.address)}>",
    )


def recipient_forms(scene: Scene) -> tuple[Form, ...]:
    """Return all forms in which a relay to an outside recipient can be requested."""
    pieces = (_plain, _percent, _quoted, _many_ats, _routes, _bang, _literals, _look_alikes, _odd)
    forms = [
        Form(f"{piece.__name__.strip('_').replace('_', ' ')} {number}", f"<{path}>")
        for piece in pieces
        for number, path in enumerate(piece(scene), 1)
    ]
    inside, outside = f"{PROOF_USER}@{scene.local}", f"{PROOF_USER}@{scene.outside}"
    forms += (
        Form("space in the path", f"<{outside} >"),
        Form("two paths", f"<{inside}>,<{outside}>"),
        Form("two recipients", f"<{inside}> <{outside}>"),
        Form("no brackets", outside),
    )
    return tuple(forms)


def _literal(address: str) -> str:
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def _plain(scene: Scene) -> Iterator[str]:
    user, outside = PROOF_USER, scene.outside
    yield f"{user}@{outside}"
    yield f"{user}@{outside.upper()}"
    yield f"{user}@{outside}."
    yield f"{user}@{outside}.."
    yield f"{user}@mail.{outside}"
    yield f"{user}@sub.{scene.local}"
    yield f"{user}@{scene.local}.{outside}"
    yield f"postmaster@{outside}"
    yield f"POSTMASTER@{outside}"
    yield f"abuse@{outside}"
    yield f"{user}+{scene.local}@{outside}"
    yield f"{user}+{outside}=x@{scene.local}"
    yield f"SRS0=forged=xx={outside}={user}@{scene.local}"
    yield f"SRS1=forged=xx==yy={outside}={user}@{scene.local}"
    yield f"{user}={outside}@{scene.local}"


def _percent(scene: Scene) -> Iterator[str]:
    user, outside, local = PROOF_USER, scene.outside, scene.local
    yield f"{user}%{outside}"
    yield f"{user}%{outside}@{local}"
    yield f"{user}%{outside}@{local.upper()}"
    yield f"{user}%{outside}@{scene.host}"
    yield f"{user}%{outside}@{_literal(scene.address)}"
    yield f"{user}%{outside}%{local}@{local}"
    yield f"postmaster%{outside}@{local}"
    yield f"{user}%40{outside}@{local}"
    yield f"{user}=40{outside}@{local}"
    yield f"{user}%00@{local}"
    yield f"{user}@{local}%00@{outside}"
    yield f"{user}@{local}\0@{outside}"
    yield f"+{user}%{outside}@{local}"


def _quoted(scene: Scene) -> Iterator[str]:
    user, outside, local = PROOF_USER, scene.outside, scene.local
    yield f'"{user}@{outside}"'
    yield f'"{user}%{outside}"'
    yield f'"{user}@{outside}"@{local}'
    yield f'"{user}%{outside}"@{local}'
    yield f'"{user}\\@{outside}"@{local}'
    yield f'"{user}@{outside}"@{_literal(scene.address)}'
    yield f'"{user}@{outside}"@{scene.host}'
    yield f'"postmaster"@{outside}'
    yield f'"@{local}:{user}@{outside}"@{local}'
    yield f'"{user}"@{outside}'


def _many_ats(scene: Scene) -> Iterator[str]:
    user, outside, local = PROOF_USER, scene.outside, scene.local
    yield f"{user}@{outside}@{local}"
    yield f"{user}@{local}@{outside}"
    yield f"{user}@{outside}@{_literal(scene.address)}"
    yield f"{user}@{outside}@{scene.host}"
    yield f"{user}@@{outside}"
    yield f"@{outside}"


def _routes(scene: Scene) -> Iterator[str]:
    user, outside, local = PROOF_USER, scene.outside, scene.local
    yield f"@{local}:{user}@{outside}"
    yield f"@{_literal(scene.address)}:{user}@{outside}"
    yield f"@{scene.host}:{user}@{outside}"
    yield f"@{scene.host},@{local}:{user}@{outside}"
    yield f"@{outside},@{local}:{user}@{local}"
    yield f"@{local}:@{outside}:{user}@{outside}"
    yield f"@{local}:{user}%{outside}@{local}"


def _bang(scene: Scene) -> Iterator[str]:
    user, outside, local = PROOF_USER, scene.outside, scene.local
    yield f"{outside}!{user}"
    yield f"{outside}!{user}@{local}"
    yield f"{outside}!{user}@{_literal(scene.address)}"
    yield f"{outside}!{user}@{scene.host}"
    yield f"{local}!{user}@{outside}"
    yield f"{local}!{outside}!{user}"
    yield f"{outside}::{user}@{local}"


def _literals(scene: Scene) -> Iterator[str]:
    user, address = PROOF_USER, scene.outside_address
    yield f"{user}@[{address}]"
    yield f"{user}@{address}"
    yield f"{user}@[IPv6:::ffff:{address}]"
    yield f"{user}@[IPv6:2001:db8::7]"
    yield f"{user}%{scene.outside}@[{address}]"
    yield f"{user}@[{scene.outside}]"
    yield f"{user}@#{int.from_bytes(bytes(map(int, address.split('.'))), 'big')}"


def _look_alikes(scene: Scene) -> Iterator[str]:
    user, outside, local = PROOF_USER, scene.outside, scene.local
    yield f"{user}\uff20{outside}@{local}"  # fullwidth commercial at
    yield f"{user}\uff05{outside}@{local}"  # fullwidth percent sign
    yield f"{user}\uff01{outside}@{local}"  # fullwidth exclamation mark
    yield f"{user}@{outside.replace('.', chr(0x3002))}"  # ideographic full stops
    yield f"{user}@{_with_cyrillic(local)}"
    yield f"{user}@{local}\u200b"  # zero-width space
    yield f"=?utf-8?q?{user}=40{outside}?=@{local}"


def _odd(scene: Scene) -> Iterator[str]:
    user, outside, local = PROOF_USER, scene.outside, scene.local
    yield f"{user}(c)@{outside}"
    yield f"{user}@{outside}(@{local})"
    yield f"{user}@{outside}:25"
    yield f"{user}@{outside}/{local}"
    yield "|/bin/sh"
    yield f"|/bin/sh@{local}"
    yield "/etc/x"
    yield f"/etc/x@{local}"
    yield ":include:/etc/passwd"
    yield f":include:/etc/passwd@{local}"
    yield "-oQ/tmp"
    yield f"-oQ/tmp@{local}"
    yield f"${{run{{/bin/true}}}}@{local}"
    yield f";id@{local}"
    yield f"\\{user}@{outside}"


def _with_cyrillic(domain: str) -> str:
    """Return a domain that looks the same; where no letter has a twin, one is added."""
    twins = str.maketrans({"a": "\u0430", "e": "\u0435", "o": "\u043e", "c": "\u0441"})
    name, dot, rest = domain.partition(".")
    twin = name.translate(twins)
    return f"{twin if twin != name else name + chr(0x430)}{dot}{rest}"
