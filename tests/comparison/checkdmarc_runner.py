"""Runs in checkdmarc's own environment: domains by the port of their name server, verdicts out."""

from __future__ import annotations

import json
import logging
import re
import sys
from typing import Any

import checkdmarc
import checkdmarc.utils
import dns.resolver

_ABSENT = re.compile(r"An? [A-Z][\w -]* record does not exist")


def verdicts(port: int) -> dict[str, Any]:
    """Return what checkdmarc says of the domain that a name server has."""
    for name, held in vars(checkdmarc.utils).items():
        if name.endswith("_CACHE"):
            held.clear()
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = ["127.0.0.1"], port
    resolver.timeout, resolver.lifetime = 1.0, 3.0
    said = dict(checkdmarc.check_domains(["org.example"], resolver=resolver, timeout=1.0))
    mx = said.get("mx") or {}
    spf = said.get("spf") or {}
    return {
        "spf": _is_good(spf),
        "lookups": spf.get("dns_lookups"),
        "dmarc": _is_good(said.get("dmarc")),
        "tls-rpt": _is_good(said.get("smtp_tls_reporting")),
        "bimi": _is_good(said.get("bimi")),
        "mx": not (mx.get("error") or mx.get("warnings")),
        "said": {
            area: [*_words(said.get(key))]
            for area, key in (
                ("spf", "spf"),
                ("dmarc", "dmarc"),
                ("mx", "mx"),
                ("tls-rpt", "smtp_tls_reporting"),
                ("bimi", "bimi"),
            )
        },
    }


def _is_good(part: dict[str, Any] | None) -> bool | None:
    """Return whether a record is good, None where there is none."""
    if not part or _ABSENT.match(str(part.get("error", ""))):
        return None
    return bool(part.get("valid"))


def _words(part: dict[str, Any] | None) -> list[str]:
    return list((part or {}).get("warnings") or ()) + (
        [str(part["error"])] if part and part.get("error") else []
    )


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    json.dump({name: verdicts(port) for name, port in json.load(sys.stdin).items()}, sys.stdout)
