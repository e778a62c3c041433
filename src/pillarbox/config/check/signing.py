"""Checks of DKIM signing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pillarbox.config.check.report import Check, Report
from pillarbox.config.endpoints import is_host_name
from pillarbox.config.loader import Loaded
from pillarbox.findings import Finding
from pillarbox.smtp.address import ascii_domain

__all__ = ["SIGNING_CHECKS"]

_LEAST_BITS: Final = 2048
_MOST_BITS: Final = 4096


def _domains(loaded: Loaded) -> Iterator[Finding]:
    for name, rules in loaded.settings.dkim_domain.items():
        if not is_host_name(ascii_domain(name)) or "." not in name:
            yield Report(loaded, "dkim_domain", name).error(
                140,
                f'dkim_domain."{name}" is not a domain that mail can come from.',
                "No key could be found for it.",
                'Write it as [dkim_domain."example.org"], with quotes.',
            )
        elif name != ascii_domain(name):
            yield Report(loaded, "dkim_domain", name).error(
                141,
                f'dkim_domain."{name}" is not written as in DNS.',
                "Keys are found by the name in DNS, in lower case.",
                f'[dkim_domain."{ascii_domain(name)}"]',
            )
        if not _LEAST_BITS <= rules.rsa_bits <= _MOST_BITS:
            yield Report(loaded, "dkim_domain", name, "rsa_bits").error(
                142,
                f"{{key}} is {rules.rsa_bits}; it must be {_LEAST_BITS} to {_MOST_BITS}.",
                "Receivers consider shorter keys weak, and need not support longer ones "
                "(RFC 8301 §3.2).",
                f"{{key}} = {_LEAST_BITS}",
            )
        if rules.delegate and not is_host_name(ascii_domain(rules.delegate)):
            yield Report(loaded, "dkim_domain", name, "delegate").error(
                143,
                f'{{key}} is "{rules.delegate}", which is not the name of a zone.',
                "It cannot contain records.",
                '{key} = "keys.example.net"',
            )


def _expiry(loaded: Loaded) -> Iterator[Finding]:
    lifetime = loaded.settings.queue.lifetime
    if 0 < loaded.settings.dkim.expire_after < lifetime:
        yield Report(loaded, "dkim", "expire_after").warning(
            144,
            "{key} is shorter than queue.lifetime.",
            "Mail that is delivered late would have an expired signature.",
            f"{{key}} = {2 * lifetime:g}, or 0",
        )


SIGNING_CHECKS: Final[tuple[Check, ...]] = (_domains, _expiry)
