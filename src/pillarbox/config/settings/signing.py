"""Settings of DKIM signing: keys and how they are used."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from pillarbox.config.settings.declaration import Unit, setting

__all__ = ["DkimAlgorithm", "DkimCanonicalization", "DkimDomainSettings", "DkimSettings"]


class DkimCanonicalization(Enum):
    """What may happen to header and body on the way without harm (RFC 6376 §3.4)."""

    RELAXED_RELAXED = "relaxed/relaxed"
    RELAXED_SIMPLE = "relaxed/simple"
    SIMPLE_RELAXED = "simple/relaxed"
    SIMPLE_SIMPLE = "simple/simple"


class DkimAlgorithm(Enum):
    """What keys are made."""

    BOTH = "both"  # two signatures: RSA for everybody, Ed25519 for who can check it
    RSA = "rsa"
    ED25519 = "ed25519"


@dataclass(frozen=True, slots=True, kw_only=True)
class DkimSettings:
    """DKIM signatures on outgoing mail."""

    sign: bool = setting("Sign submitted mail whose author's domain has a key.", True)
    directory: Path | None = setting(
        "Directory of the keys, readable by its owner only. Default: `dkim` in node.directory.",
        None,
    )
    passphrase: str = setting(
        "Passphrase that the key files are encrypted with; preferably set as passphrase_file. "
        "Empty: not encrypted.",
        "",
        secret=True,
    )
    canonicalization: DkimCanonicalization = setting(
        "Changes in transit that a signature survives, for header and body: `relaxed/relaxed` "
        "(white space and folding may change), `relaxed/simple`, `simple/relaxed`, "
        "`simple/simple`.",
        DkimCanonicalization.RELAXED_RELAXED,
    )
    expire_after: float = setting(
        "Age at which a signature expires (x=); 0: never. Mail that is queued somewhere for "
        "longer then fails.",
        0.0,
        unit=Unit.SECONDS,
    )
    rotate_after: float = setting(
        "Age at which signing keys are rotated: the node makes new ones, says so in its log, "
        "signs with them once every authoritative server has their records, and destroys the "
        "old ones in time. 0: only `pillarbox dkim rotate` does so. If nodes share a key "
        "directory, only one should rotate.",
        0.0,
        unit=Unit.SECONDS,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DkimDomainSettings:
    """The DKIM keys of one domain: `[dkim_domain."example.org"]`."""

    algorithm: DkimAlgorithm = setting(
        "Types of keys made for it: `both`, `rsa` or `ed25519`.", DkimAlgorithm.BOTH
    )
    rsa_bits: int = setting("Size of its RSA keys: 2048 to 4096.", 2048)
    subdomains: bool = setting(
        "Also sign for authors in subdomains without keys of their own.", True
    )
    delegate: str = setting(
        "Zone that actually contains its records. The domain then has CNAME records only, and "
        "keys can be changed without touching it.",
        "",
    )
