"""The SPF suites of openspf.org, as they come with pyspf."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import yaml
from tests.suites.registry import Case, Suite

from pillarbox.mailauth import spf
from pillarbox.mailauth.resolver import Answer, MxRecord, Outcome, TlsaRecord

__all__ = ["SUITES", "SuiteZone"]

_ALIASES: Final = 10
_OCTETS: Final = "latin-1"  # the suites write octets as characters


class SuiteZone:
    """The zone data of a scenario, as a resolver.

    Any name may stand in it; ``TIMEOUT`` fails what is not listed before it; an SPF record
    stands for a TXT record as well, where the name has no TXT entry of its own.
    """

    def __init__(self, data: dict[str, list[Any]]) -> None:
        """Answer from the ``zonedata`` of a scenario."""
        self._names = {name.lower().rstrip("."): entries for name, entries in data.items()}

    async def mx(self, name: str) -> Answer[MxRecord]:
        """Return the mail exchangers, by preference."""
        answer = self._ask(name, "MX")
        found = sorted(MxRecord(number, host.rstrip(".")) for number, host in answer.records)
        return self._answer(answer, tuple(found))

    async def addresses(self, name: str) -> Answer[str]:
        """Return all addresses."""
        return self._answer(
            self._ask(name, "A"), (*(await self.aaaa(name)).records, *(await self.a(name)).records)
        )

    async def a(self, name: str) -> Answer[str]:
        """Return the IPv4 addresses."""
        return self._ask(name, "A")

    async def aaaa(self, name: str) -> Answer[str]:
        """Return the IPv6 addresses."""
        return self._ask(name, "AAAA")

    async def txt(self, name: str) -> Answer[bytes]:
        """Return the TXT records."""
        answer = self._ask(name, "TXT")
        texts = ["".join(value) if isinstance(value, list) else value for value in answer.records]
        return self._answer(answer, tuple(text.encode(_OCTETS) for text in texts))

    async def ptr(self, address: str) -> Answer[str]:
        """Return the host names of an address."""
        answer = self._ask(ipaddress.ip_address(address).reverse_pointer, "PTR")
        return self._answer(answer, tuple(name.rstrip(".") for name in answer.records))

    async def tlsa(self, name: str) -> Answer[TlsaRecord]:
        """Return none: the suites have no TLSA records."""
        return self._answer(self._ask(name, "TLSA"), ())

    def _ask(self, name: str, kind: str) -> Answer[Any]:
        for _ in range(_ALIASES):
            entries = self._names.get(name.lower().rstrip("."))
            if entries is None:
                return Answer(name=name, type=kind, outcome=Outcome.NO_SUCH_NAME)
            records = list(_records(entries, kind))
            aliases = [entry["CNAME"] for entry in entries if "CNAME" in entry]
            if records or not aliases:
                break
            name = aliases[0]
        if records:
            return Answer(name=name, type=kind, outcome=Outcome.FOUND, records=tuple(records))
        if "TIMEOUT" in entries:
            return Answer(name=name, type=kind, outcome=Outcome.UNAVAILABLE, reason="timed out")
        return Answer(name=name, type=kind, outcome=Outcome.NO_SUCH_DATA)

    @staticmethod
    def _answer(answer: Answer[Any], records: tuple[Any, ...]) -> Answer[Any]:
        outcome = Outcome.FOUND if records else answer.outcome
        return Answer(
            name=answer.name,
            type=answer.type,
            outcome=outcome,
            records=records,
            reason=answer.reason,
        )


def _records(entries: list[Any], kind: str) -> Iterator[Any]:
    listed = [entry for entry in entries if isinstance(entry, dict)]
    kinds = {kind}
    if kind == "TXT" and not any("TXT" in entry for entry in listed):
        kinds = {"SPF"}
    for entry in listed:
        for found, value in entry.items():
            if found in kinds and value != "NONE":
                yield value


def _cases(file: str, folder: Path) -> Iterator[Case]:
    text = (folder / file).read_text("utf-8")
    for scenario in yaml.safe_load_all(text):
        zone = SuiteZone(scenario["zonedata"])
        for name, test in scenario["tests"].items():
            yield Case(f"{scenario['description']}: {name}", partial(_check, zone, test))


def _check(zone: SuiteZone, test: dict[str, Any]) -> str:
    sender = test["mailfrom"]
    helo = test["helo"]
    if not sender:
        sender = f"postmaster@{helo}"
    domain = sender.rpartition("@")[2]
    found = asyncio.run(spf.check_host(str(test["host"]), domain, sender, zone, helo=helo))
    wanted = test["result"]
    if found.result.value not in ([wanted] if isinstance(wanted, str) else wanted):
        return f"{found.result.value}, not {wanted}: {found.reason}"
    explanation = test.get("explanation", "")
    wanted_text = "" if explanation == "DEFAULT" else explanation
    if explanation and found.explanation != wanted_text:
        return f"explained by {found.explanation!r}, not {explanation!r}"
    return ""


SUITES: Final[tuple[Suite, ...]] = (
    Suite("spf-openspf/rfc7208", partial(_cases, "rfc7208-tests.yml")),
)
