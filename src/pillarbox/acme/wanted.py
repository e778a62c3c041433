"""A configured certificate, and when to renew it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509

__all__ = ["Wanted"]

_SHARE_OF_LIFE: Final = 3  # renewed in the last third of its life at the latest


@dataclass(frozen=True, slots=True)
class Wanted:
    """Names to be certified, and the files that the certificate and its key go to."""

    label: str  # its name in the configuration
    names: tuple[str, ...]
    certificate: Path
    key: Path

    def due_at(self, renew_before: float) -> float:
        """Return when to renew it, in seconds since 1970; 0.0 if it is missing or unsuitable.

        Args:
            renew_before: Seconds before its end; at most a third of its life counts, so that
                short-lived certificates are not fetched all the time.
        """
        try:
            held = x509.load_pem_x509_certificate(self.certificate.read_bytes())
            found = held.extensions.get_extension_for_class(x509.SubjectAlternativeName)
            names = found.value.get_values_for_type(x509.DNSName)
        except (OSError, ValueError, x509.ExtensionNotFound):
            return 0.0
        if not set(self.names) <= set(names) or not self.key.exists():
            return 0.0
        begin, end = held.not_valid_before_utc.timestamp(), held.not_valid_after_utc.timestamp()
        return end - min(renew_before, (end - begin) / _SHARE_OF_LIFE)
