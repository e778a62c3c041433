"""Holds `check smtp` against testssl.sh: the same listeners, versions of TLS and certificates."""

from __future__ import annotations

import asyncio
import json
import ssl
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.situations import certificates
from tests.situations.certificates import HOST
from tests.situations.servers import good
from tests.situations.serving import serving

from pillarbox.checkup.facts.smtp import Probe, Target
from pillarbox.checkup.probes.smtp import ProbeOptions, probe

__all__ = ["LISTENERS", "Difference", "compare"]

_VERSIONS: Final = {"TLS1": "TLSv1", "TLS1_1": "TLSv1.1", "TLS1_2": "TLSv1.2", "TLS1_3": "TLSv1.3"}


def _only_new() -> ssl.SSLContext:
    context = certificates.context()
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


LISTENERS: Final[Mapping[str, Callable[[], ssl.SSLContext]]] = {
    "in order": certificates.context,
    "TLS 1.3 only": _only_new,
    "TLS 1.0 and 1.1 only": certificates.old,
    "old versions besides new ones": lambda: certificates.old(also_new=True),
    "expired": lambda: certificates.context(days=-2),
    "for another name": lambda: certificates.context("mail.example.net"),
    "self-signed": certificates.self_signed,
    "without its intermediate": certificates.incomplete,
    "of an unknown authority": certificates.strangers,
}
"""Listeners by what is, or is not, wrong with them."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One question that the two answer otherwise."""

    listener: str
    question: str
    ours: object
    theirs: object


def compare(name: str) -> list[Difference]:
    """Return what differs for one listener."""
    ours, theirs = asyncio.run(_both(LISTENERS[name]()))
    return [
        Difference(name, question, ours[question], theirs[question])
        for question in ours
        if ours[question] != theirs[question]
    ]


async def _both(context: ssl.SSLContext) -> tuple[dict[str, Any], dict[str, Any]]:
    async with serving(good(context)) as port:
        options = ProbeOptions(authorities=certificates.authorities(), lists_versions=True)
        seen = await probe(Target(HOST, "127.0.0.1", port), options)
        return _ours(seen), await _theirs(port)


def _ours(seen: Probe) -> dict[str, Any]:
    shown = seen.certificate
    if shown is None:
        raise ValueError("no certificate was shown")
    spoken = {one.name: one.is_offered for one in seen.tls_versions}
    is_current = shown.not_after > certificates.NOW.timestamp()
    return {
        **{name: spoken[ours] for name, ours in _VERSIONS.items()},
        "certificate is for the host": shown.fits,
        "certificate is current": is_current,
        "chain leads to a trusted authority": not shown.problem,
    }


async def _theirs(port: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        process = await asyncio.create_subprocess_exec(
            *("testssl", "--warnings", "off", "--color", "0", "--quiet", "--starttls", "smtp"),
            *("--ip", "127.0.0.1", "--add-ca", str(certificates.authorities())),
            *("--jsonfile", str(report), "--protocols", "--server-defaults", f"{HOST}:{port}"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await process.wait()
        found = {each["id"].partition(" ")[0]: each["finding"] for each in _read(report)}
    chain = found.get("cert_chain_of_trust", "")
    return {
        **{name: found[name].startswith("offered") for name in _VERSIONS},
        "certificate is for the host": found["cert_trust"].startswith("Ok"),
        "certificate is current": "expired" not in found["cert_expirationStatus"],
        "chain leads to a trusted authority": chain.startswith("passed"),
    }


def _read(report: Path) -> list[dict[str, str]]:
    read: list[dict[str, str]] = json.loads(report.read_text())
    return read
