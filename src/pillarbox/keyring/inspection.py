"""Compares a key with what the authoritative servers publish."""

from __future__ import annotations

import base64
from collections import Counter
from dataclasses import dataclass
from enum import Enum
from typing import Final

from pillarbox.findings import Finding, Level
from pillarbox.keyring.kept_key import KeptKey
from pillarbox.keyring.publication import Publication, publication
from pillarbox.mailauth.authorities import Authorities, ServerAnswer
from pillarbox.mailauth.dkim import Unverifiable
from pillarbox.mailauth.dkim.record import check_published
from pillarbox.mailauth.resolver import Outcome
from pillarbox.policy.key_life import KeyCause, KeyState

__all__ = ["Inspection", "Sight", "inspect"]

_CODE: Final = "PB-DKIM"


class Sight(Enum):
    """What one server publishes at the name of a key."""

    RIGHT = "has the key"
    MISSING = "has no record"
    WRONG = "has another record"
    SILENT = "did not answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSight:
    """What one server publishes, in words."""

    server: str
    sight: Sight
    detail: str = ""
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What all servers publish, and the conclusion."""

    key: KeptKey
    servers: tuple[ServerSight, ...]
    cause: KeyCause | None  # the event in the key's life cycle; None: nothing is certain
    finding: Finding


async def inspect(key: KeptKey, authorities: Authorities, delegate: str = "") -> Inspection:
    """Ask every authoritative server for the record of a key.

    Args:
        key: The key.
        authorities: Who asks.
        delegate: The zone that actually holds the record; the alias to it is checked.
    """
    wanted = publication(key, delegate)
    answers = await authorities.txt(key.name)
    servers = tuple(_look(key, wanted, answer) for answer in answers)
    seen = Counter(each.sight for each in servers)
    return Inspection(
        key=key, servers=servers, cause=_cause(seen), finding=_finding(key, wanted, servers, seen)
    )


def _look(key: KeptKey, wanted: Publication, said: ServerAnswer) -> ServerSight:
    sight, detail = _compare(key, said)
    aliases = said.aliases or ()
    is_alias_lost = said.aliases is not None and wanted.target not in said.aliases
    if sight is Sight.RIGHT and wanted.target and is_alias_lost:
        sight, detail = Sight.WRONG, f"the key itself, and no alias for {wanted.target}"
    return ServerSight(server=said.server, sight=sight, detail=detail, aliases=aliases)


def _compare(key: KeptKey, said: ServerAnswer) -> tuple[Sight, str]:
    answer = said.answer
    match answer.outcome:
        case Outcome.UNAVAILABLE:
            return Sight.SILENT, answer.reason
        case Outcome.NO_SUCH_NAME | Outcome.NO_SUCH_DATA:
            return Sight.MISSING, answer.outcome.value
        case Outcome.FOUND:
            if len(answer.records) > 1:
                return Sight.WRONG, f"{len(answer.records)} TXT records; there must be one"
            return _compare_record(key, answer.records[0])


def _compare_record(key: KeptKey, record: bytes) -> tuple[Sight, str]:
    try:
        public = check_published(record, key.algorithm)
    except Unverifiable as reason:
        return Sight.WRONG, reason.reason
    if public == key.public:
        return Sight.RIGHT, ""
    start = base64.b64encode(public)[-16:].decode("ascii")
    return Sight.WRONG, f"another key, whose p= ends with {start}"


def _cause(seen: Counter[Sight]) -> KeyCause | None:
    if seen[Sight.RIGHT] and len(seen) == 1:
        return KeyCause.SEEN_EVERYWHERE
    if seen[Sight.RIGHT]:
        return KeyCause.SEEN_SOMEWHERE
    return None if seen[Sight.SILENT] else KeyCause.RECORD_LOST


def _finding(
    key: KeptKey,
    wanted: Publication,
    servers: tuple[ServerSight, ...],
    seen: Counter[Sight],
) -> Finding:
    evidence = tuple(
        f"{each.server}: {each.sight.value}{f' ({each.detail})' if each.detail else ''}"
        for each in servers
    )
    total, right = len(servers), seen[Sight.RIGHT]
    if right == total:
        count = "the server has" if total == 1 else f"all {total} servers have"
        return Finding(
            level=Level.OK, code=f"{_CODE}-001", what=f"{key.name}: {count} the key.",
            evidence=evidence,
        )  # fmt: skip
    fix = "\n".join(wanted.zone_lines)
    is_needed = key.state in {KeyState.SIGNING, KeyState.RESTING}
    level = Level.ERROR if is_needed else Level.WARNING
    why = (
        "Receivers that ask these servers cannot verify the mail that it signed."
        if is_needed
        else "The key must not sign before every server has its record."
    )
    if seen[Sight.WRONG]:
        code, what = f"{_CODE}-002", "have" if seen[Sight.WRONG] > 1 else "has"
        what = f"{key.name}: {seen[Sight.WRONG]} of {total} servers {what} something else."
    elif seen[Sight.MISSING]:
        code = f"{_CODE}-003"
        what = f"{key.name}: {seen[Sight.MISSING]} of {total} servers do not have the record."
    else:
        code = f"{_CODE}-004"
        what = f"{key.name}: {seen[Sight.SILENT]} of {total} servers did not answer."
        fix = "Try again later, or look into what is wrong with them."
    return Finding(level=level, code=code, what=what, why=why, fix=fix, evidence=evidence)
