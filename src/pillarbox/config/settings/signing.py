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
    """Signatures on mail that leaves."""

    sign: bool = setting("Sign submitted mail whose author's domain has a key.", True)
    directory: Path | None = setting(
        "Folder of the keys, which only its owner can read. Default: `dkim` in node.directory.",
        None,
    )
    passphrase: str = setting(
        "What the keys are encrypted with in their files; better given as passphrase_file. "
        "Empty: not encrypted.",
        "",
        secret=True,
    )
    canonicalization: DkimCanonicalization = setting(
        "What may happen to header and body on the way: `relaxed/relaxed` (blanks and folds may "
        "change), `relaxed/simple`, `simple/relaxed`, `simple/simple`.",
        DkimCanonicalization.RELAXED_RELAXED,
    )
    expire_after: float = setting(
        "Age at which a signature counts no more (x=); 0: never. Mail that is queued somewhere "
        "for longer than this fails.",
        0.0,
        unit=Unit.SECONDS,
    )
    rotate_after: float = setting(
        "Age of the keys that sign at which the node makes new ones, says so in its log, lets them "
        "sign once every authoritative server has their records, and destroys the old ones in "
        "time; 0: only `pillarbox dkim rotate` does that. Of nodes that share a folder of keys, "
        "one is to do it.",
        0.0,
        unit=Unit.SECONDS,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DkimDomainSettings:
    """How one domain is signed for: `[dkim_domain."example.org"]`."""

    algorithm: DkimAlgorithm = setting(
        "Keys that are made for it: `both`, `rsa` or `ed25519`.", DkimAlgorithm.BOTH
    )
    rsa_bits: int = setting("Size of its RSA keys: 2048 to 4096.", 2048)
    subdomains: bool = setting(
        "Sign for authors in its subdomains that have no keys of their own, too.", True
    )
    delegate: str = setting(
        "Zone that its records really stand in. The domain then has CNAME records only, and "
        "keys can be changed without touching it.",
        "",
    )
