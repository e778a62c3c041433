"""The supported mechanisms, by their names (RFC 4422 §3.1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from pillarbox.smtp.sasl.cram_md5 import CramMd5Client, CramMd5Server
from pillarbox.smtp.sasl.login import LoginClient, LoginServer
from pillarbox.smtp.sasl.mechanism import (
    ClientMechanism,
    ClientSetting,
    ServerMechanism,
    ServerSetting,
)
from pillarbox.smtp.sasl.oauth import (
    OauthBearerClient,
    OauthBearerServer,
    XOauth2Client,
    XOauth2Server,
)
from pillarbox.smtp.sasl.plain import PlainClient, PlainServer
from pillarbox.smtp.sasl.scram_client import ScramClient, ScramPlusClient
from pillarbox.smtp.sasl.scram_server import ScramPlusServer, ScramServer

__all__ = ["MECHANISMS", "Mechanism", "Secret", "Trait"]


class Secret(Enum):
    """The secrets that a client needs."""

    PASSWORD = auto()
    TOKEN = auto()


class Trait(Enum):
    """What decides when a mechanism may be offered, or used."""

    SHOWS = auto()  # reveals a password or token to an eavesdropper: only inside TLS
    CHALLENGES = auto()  # an eavesdropper can only try passwords offline
    BINDS = auto()  # and the proof is valid for this TLS connection alone (RFC 5056)


@dataclass(frozen=True, slots=True)
class Mechanism:
    """Both sides of a mechanism."""

    secret: Secret
    trait: Trait
    server: Callable[[ServerSetting], ServerMechanism]
    client: Callable[[ClientSetting], ClientMechanism]
    is_mutual: bool = False  # the server has to prove that it knows the password, too


MECHANISMS: Final[dict[str, Mechanism]] = {
    # In the order in which our client prefers them.
    "OAUTHBEARER": Mechanism(Secret.TOKEN, Trait.SHOWS, OauthBearerServer, OauthBearerClient),
    "XOAUTH2": Mechanism(Secret.TOKEN, Trait.SHOWS, XOauth2Server, XOauth2Client),
    "SCRAM-SHA-256-PLUS": Mechanism(
        Secret.PASSWORD, Trait.BINDS, ScramPlusServer, ScramPlusClient, is_mutual=True
    ),
    "SCRAM-SHA-256": Mechanism(
        Secret.PASSWORD, Trait.CHALLENGES, ScramServer, ScramClient, is_mutual=True
    ),
    "CRAM-MD5": Mechanism(Secret.PASSWORD, Trait.CHALLENGES, CramMd5Server, CramMd5Client),
    "PLAIN": Mechanism(Secret.PASSWORD, Trait.SHOWS, PlainServer, PlainClient),
    "LOGIN": Mechanism(Secret.PASSWORD, Trait.SHOWS, LoginServer, LoginClient),
}
