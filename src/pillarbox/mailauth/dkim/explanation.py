"""Explains a key record: what each tag means, how receivers read it, and what to publish."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Final

from pillarbox.findings import Finding, Level
from pillarbox.mailauth.dkim.algorithm import Algorithm
from pillarbox.mailauth.dkim.outcome import Unverifiable
from pillarbox.mailauth.dkim.record import KeyRecord, check_published, parse_key_record
from pillarbox.mailauth.resolver import Answer, Outcome
from pillarbox.mailauth.tag_list import TagListError, parse_tag_list

__all__ = ["Explanation", "TagMeaning", "explain_answer"]

_CODE: Final = "PB-DKIM"
_SOUND_BITS: Final = 2048  # RFC 8301 §3.2: signers should use no less
_MEANINGS: Final = {
    "v": "version",
    "k": "type of key",
    "p": "public key",
    "h": "hashes that may be used",
    "s": "services that it is for",
    "t": "flags",
    "n": "note for people",
    "g": "obsolete; not looked at (RFC 6376 Appendix D)",
}
_FLAGS: Final = {"y": "testing: failures must not count", "s": "i= must be in d= itself"}


@dataclass(frozen=True, slots=True)
class TagMeaning:
    """One tag of a record, in words."""

    name: str
    value: str
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What is published under the name of a key."""

    name: str
    record: str  # "" if there is none
    tags: tuple[TagMeaning, ...]
    findings: tuple[Finding, ...]
    suggested: str  # the record to publish; "" if the current one is fine or the key is unknown

    @property
    def is_fine(self) -> bool:
        """Whether receivers can use the key."""
        return all(finding.level < Level.ERROR for finding in self.findings)


def explain_answer(answer: Answer[bytes]) -> Explanation:
    """Explain the DNS answer for the name of a key."""
    match answer.outcome:
        case Outcome.UNAVAILABLE:
            finding = _error(
                10,
                f"DNS did not answer for {answer.name}: {answer.reason}.",
                "Receivers put mail off or take it as unsigned.",
                "See to it that the zone's servers answer.",
            )
            return _nothing(answer.name, finding)
        case Outcome.NO_SUCH_NAME | Outcome.NO_SUCH_DATA:
            finding = _error(
                11,
                f"There is no TXT record at {answer.name} ({answer.outcome.value}).",
                "Receivers cannot verify mail that was signed with this selector.",
                "Publish the record that `pillarbox dkim dns` prints.",
            )
            return _nothing(answer.name, finding)
        case Outcome.FOUND:
            return _explain_records(answer.name, answer.records)


def _nothing(name: str, finding: Finding) -> Explanation:
    return Explanation(name=name, record="", tags=(), findings=(finding,), suggested="")


def _explain_records(name: str, records: tuple[bytes, ...]) -> Explanation:
    findings: list[Finding] = []
    if len(records) > 1:
        findings.append(
            _error(
                12,
                f"There are {len(records)} TXT records at {name}.",
                "Receivers may look at the wrong one (RFC 6376 §3.6.2.2).",
                "Leave only the one that holds the key.",
                tuple(_text(record) for record in records),
            )
        )
    record = next((each for each in records if b"p=" in each), records[0])
    try:
        tags = parse_tag_list(record)
    except TagListError:
        tags = {}
    meanings = tuple(TagMeaning(name, value, _meaning(name, value)) for name, value in tags.items())
    suggested = ""
    try:
        key = parse_key_record(record)
    except Unverifiable as reason:
        findings.append(
            _error(
                13,
                f"Receivers cannot use the key: {reason.reason}.",
                f"Mail that was signed with it comes out as dkim={reason.result.value}.",
                "Publish the record that `pillarbox dkim dns` prints.",
                (_text(record),),
            )
        )
    else:
        findings += _remarks(key, tags)
        suggested = _suggested(key, record)
    return Explanation(
        name=name,
        record=_text(record),
        tags=meanings,
        findings=tuple(findings),
        suggested="" if suggested == _text(record) else suggested,
    )


def _remarks(key: KeyRecord, tags: dict[str, str]) -> list[Finding]:
    remarks = []
    algorithm = next(each for each in Algorithm if each.key_type == key.key_type)
    try:
        key.check_use(algorithm)
    except Unverifiable as reason:
        remarks.append(
            _error(
                14,
                f"Receivers cannot use the key for mail: {reason.reason}.",
                f"Mail that was signed with it comes out as dkim={reason.result.value}.",
                "Leave out h= and s=.",
            )
        )
    if algorithm is Algorithm.RSA_SHA256 and key.bits < _SOUND_BITS:
        remarks.append(
            Finding(
                level=Level.WARNING,
                code=f"{_CODE}-015",
                what=f"The RSA key has {key.bits} bits.",
                why=f"RFC 8301 §3.2 asks for {_SOUND_BITS}; some receivers take less for weak.",
                fix="pillarbox dkim rotate DOMAIN",
            )
        )
    if key.is_testing:
        remarks.append(
            Finding(
                level=Level.WARNING,
                code=f"{_CODE}-016",
                what="The key says t=y: the domain only tries DKIM out.",
                why="Receivers may take failures as if the mail were not signed.",
                fix="Leave out t=y when you are done with trying.",
            )
        )
    if "v" not in tags:
        remarks.append(
            Finding(
                level=Level.NOTE,
                code=f"{_CODE}-017",
                what="The record does not begin with v=DKIM1.",
                why="It may be left out, but others recommend it (RFC 6376 §3.6.1).",
                fix="Put v=DKIM1; in front.",
            )
        )
    return remarks


def _suggested(key: KeyRecord, record: bytes) -> str:
    algorithm = next(each for each in Algorithm if each.key_type == key.key_type)
    try:
        public = base64.b64encode(check_published(record, algorithm)).decode("ascii")
    except Unverifiable:
        public = "".join(parse_tag_list(record)["p"].split())
    strict = "; t=s" if key.is_strict else ""
    return f"v=DKIM1; k={key.key_type}{strict}; p={public}"


def _meaning(name: str, value: str) -> str:
    meaning = _MEANINGS.get(name, "not known; not looked at")
    if name == "t":
        flags = (
            _FLAGS.get(flag.strip(), f"{flag.strip()} is not known") for flag in value.split(":")
        )
        return f"{meaning}: {', '.join(flags)}"
    if name == "p" and not value:
        return "public key: none, so the key is revoked"
    return meaning


def _error(number: int, what: str, why: str, fix: str, evidence: tuple[str, ...] = ()) -> Finding:
    return Finding(
        level=Level.ERROR,
        code=f"{_CODE}-{number:03}",
        what=what,
        why=why,
        fix=fix,
        evidence=evidence,
    )


def _text(record: bytes) -> str:
    return record.decode("utf-8", "backslashreplace")
