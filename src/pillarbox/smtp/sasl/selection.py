"""Chooses the mechanism our client logs in with: the best that server and credentials allow."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from pillarbox.smtp.sasl.registry import MECHANISMS, Secret, Trait

__all__ = ["Login", "choose_mechanism"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Who logs in to a server, with what, and on which terms.

    With a token only the mechanisms for tokens are used, without one those for passwords.
    """

    user: str
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    mechanisms: frozenset[str] = frozenset()  # those to use; empty: all
    in_clear: bool = False  # show a password or token without TLS; for loopback
    channel_binding: bytes | None = field(default=None, repr=False)  # tls-server-end-point
    host: str = ""  # the server, told to it with a token (RFC 7628 §3.1)
    port: int = 0


def choose_mechanism(
    login: Login, offered: AbstractSet[str], *, is_secure: bool, refused: AbstractSet[str]
) -> str | None:
    """Return the mechanism to try next, None if there is none (left).

    Args:
        login: Who logs in, and on which terms.
        offered: The server's mechanisms.
        is_secure: TLS is up. Without it only SCRAM is used, in which the server proves who it is,
            and an eavesdropper can only try passwords offline, slowly.
        refused: Mechanisms that the server has refused to continue with.
    """
    secret = Secret.TOKEN if login.token else Secret.PASSWORD
    for name, mechanism in MECHANISMS.items():
        if name not in offered or name in refused or mechanism.secret is not secret:
            continue
        if login.mechanisms and name not in login.mechanisms:
            continue
        if mechanism.trait is Trait.BINDS and login.channel_binding is None:
            continue
        if is_secure or login.in_clear or mechanism.is_mutual:
            return name
    return None
