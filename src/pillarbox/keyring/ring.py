"""Chooses signing keys by the author's domain."""

from __future__ import annotations

from collections.abc import Iterable

from pillarbox.config.settings import DkimDomainSettings, Settings
from pillarbox.keyring.files import KeyFiles
from pillarbox.keyring.kept_key import KeptKey
from pillarbox.keyring.port import KeyStore
from pillarbox.mailauth.dkim import Canonicalization, SignatureForm, Signer, SigningKey
from pillarbox.policy.key_life import KeyState

__all__ = ["KeyRing", "make_key_store", "signature_form"]


class KeyRing:
    """The signers of a node, by domain; replaced as a whole when keys change."""

    def __init__(self, settings: Settings, keys: Iterable[KeptKey] = ()) -> None:
        """Sign with those of ``keys`` that are in the signing state."""
        self._settings = settings
        self._form = signature_form(settings)
        self._signers: dict[str, Signer] = {}
        self.replace(keys)

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains that have signing keys."""
        return tuple(self._signers)

    def replace(self, keys: Iterable[KeptKey]) -> None:
        """Sign with other keys from now on. Signatures in progress are not affected."""
        signing: dict[str, list[SigningKey]] = {}
        for key in keys:
            if key.state is KeyState.SIGNING and key.private is not None:
                signing.setdefault(key.domain, []).append(key.private)
        # RSA on top: a verifier that checks only one signature gets the one that all support.
        self._signers = {
            domain: Signer(
                sorted(keys, key=lambda key: key.algorithm.value, reverse=True), self._form
            )
            for domain, keys in signing.items()
        }

    def signer_for(self, domain: str) -> Signer | None:
        """Return the signer for mail whose author is in a domain, or None.

        Args:
            domain: The domain of the From field, in A-labels and lower case. For a domain without
                keys, its closest parent domain with keys signs, unless the parent's settings say
                otherwise: a signature with ``d=example.org`` is aligned with ``From:
                ann@news.example.org`` (RFC 9989 §4.4.1).
        """
        if not self._settings.dkim.sign:
            return None
        signer = self._signers.get(domain)
        if signer is not None:
            return signer
        _, _, above = domain.partition(".")
        while above:
            signer = self._signers.get(above)
            if signer is not None:
                return signer if self._rules(above).subdomains else None
            _, _, above = above.partition(".")
        return None

    def _rules(self, domain: str) -> DkimDomainSettings:
        return self._settings.dkim_domain.get(domain) or DkimDomainSettings()


def signature_form(settings: Settings) -> SignatureForm:
    """Return how signatures are written."""
    header, _, body = settings.dkim.canonicalization.value.partition("/")
    lifetime = settings.dkim.expire_after
    return SignatureForm(
        header_canonicalization=Canonicalization(header),
        body_canonicalization=Canonicalization(body),
        lifetime=int(lifetime) or None,
    )


def make_key_store(settings: Settings) -> KeyStore:
    """Return where the keys are stored."""
    folder = settings.dkim.directory or settings.node.directory / "dkim"
    return KeyFiles(folder, settings.dkim.passphrase)
