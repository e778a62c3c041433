"""Holds `check domain` against checkdmarc: the same zones, area by area.

What differs is named with its reason in ``EXPLAINED``; anything else is a contradiction.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.situations.domains import BROKEN, HEALTHY, report_of, zone_text
from tests.zone_server import serve_zone

from pillarbox.checkup.remark import Status
from pillarbox.checkup.rules.domain import DomainReport

__all__ = ["AREAS", "CHECKDMARC", "COMPARED", "EXPLAINED", "Difference", "compare"]

CHECKDMARC: Final = Path("/var/cache/pillarbox-peers/checkdmarc/bin/python")
"""The interpreter of checkdmarc's own environment (scripts/install-peers.sh)."""

_RUNNER: Final = Path(__file__).with_name("checkdmarc_runner.py")
# Of name servers that are silent there is nothing to compare.
COMPARED: Final = tuple(one for one in (*BROKEN, *HEALTHY) if "timeout" not in zone_text(one))
AREAS: Final = ("spf", "lookups", "dmarc", "tls-rpt", "bimi", "mx")

# Whether a record of SPF cannot be used, by our codes.
_UNUSABLE: Final = {"PB-SPF-001", "PB-SPF-002", "PB-SPF-003", "PB-SPF-004", "PB-SPF-006"}
# The same of DMARC: two records, or commas between the tags; and that there is none, or elsewhere.
_UNUSABLE_DMARC: Final = {"PB-DMARC-001", "PB-DMARC-030"}
_NO_DMARC: Final = {"PB-DMARC-003", "PB-DMARC-031", "PB-DMARC-032"}

EXPLAINED: Final[Mapping[tuple[str, str], str]] = {
    ("a logo with a script in it", "bimi"): "checkdmarc cannot fetch the logo here, and judges the"
    " record alone; ours is given the file.",
    ("takes no mail and sends none", "mx"): "checkdmarc warns of every null MX; RFC 7505 is how a"
    " domain says that it takes no mail, and nothing is wrong with that.",
    ("several exchangers", "mx"): "checkdmarc wants a PTR of every exchanger; receivers look at the"
    " PTR of hosts that send (RFC 8601 §3), and these two only take mail.",
}
"""By situation and area: why the two differ."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One area in which the two do not say the same."""

    situation: str
    area: str
    ours: object
    theirs: object
    words: tuple[str, ...]  # theirs

    @property
    def reason(self) -> str:
        """Why they differ, "" where nobody knows."""
        return EXPLAINED.get((self.situation, self.area), "")


def compare() -> list[Difference]:
    """Return what differs over all situations."""
    theirs = asyncio.run(_theirs())
    found = []
    for one in COMPARED:
        ours = _ours(report_of(one))
        for area in AREAS:
            said = theirs[one.name][area]
            is_counted = area != "lookups" or said is not None  # they count where they can read
            if is_counted and ours[area] != said:
                words = tuple(theirs[one.name]["said"].get(area, ()))
                found.append(Difference(one.name, area, ours[area], said, words))
    return found


async def _theirs() -> dict[str, Any]:
    async with contextlib.AsyncExitStack() as stack:
        ports = {
            one.name: await stack.enter_async_context(serve_zone(zone_text(one)))
            for one in COMPARED
        }
        process = await asyncio.create_subprocess_exec(
            CHECKDMARC,
            _RUNNER,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate(json.dumps(ports).encode())
        said: dict[str, Any] = json.loads(output)
        return said


def _ours(report: DomainReport) -> dict[str, Any]:
    blamed = [one for one in report.remarks if one.status in {Status.FAIL, Status.WARN}]
    codes = {one.code for one in blamed}
    said = {one.code for one in report.remarks}
    spf = report.facts.spf
    has_spf = spf is not None and (spf.record is not None or "records, not one" in spf.root.problem)
    has_bimi = report.facts.bimi is not None and report.facts.bimi.record is not None
    has_reports = bool(said & {"PB-TLSRPT-002", "PB-TLSRPT-003"})
    has_dmarc = not _NO_DMARC & said or "PB-DMARC-001" in said
    return {
        "spf": not (_UNUSABLE & codes) if has_spf else None,
        "dmarc": not (_UNUSABLE_DMARC & codes) if has_dmarc else None,
        "tls-rpt": "PB-TLSRPT-003" not in codes if has_reports else None,
        "bimi": "PB-BIMI-002" not in codes if has_bimi else None,
        "lookups": spf.lookups if spf is not None else None,
        "mx": not any(code.startswith(("PB-MX-", "PB-PTR")) for code in codes),
    }
