"""Judges records that are nearly right: under another name, or slightly malformed.

They are what people have most often published when a check says that there is nothing: a web
panel has put the domain behind the name once more, or the text into quotation marks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from pillarbox.checkup.facts.domain import DomainFacts
from pillarbox.checkup.remark import Area, Publish, Remark, RemarkMaker, Status, remarks_of

__all__ = ["judge_strays"]

_spf = remarks_of(Area.SPF, "PB-SPF")
_dmarc = remarks_of(Area.DMARC, "PB-DMARC")
_SPF: Final = re.compile(r"v?=?spf ?[12]?\b", re.IGNORECASE)
_DMARC: Final = re.compile(r"v?=?dmarc ?1?\b", re.IGNORECASE)
_NOBODY_LOOKS: Final = "Nobody looks there, so it has no effect."


def judge_strays(facts: DomainFacts) -> Iterator[Remark]:
    """Yield what stands where nobody looks, or cannot be read, of SPF and of DMARC."""
    if facts.spf is not None and facts.spf.record is None:
        yield from _of_spf(facts)
    if facts.dmarc is not None and facts.dmarc.discovery.record is None:
        yield from _of_dmarc(facts)


def _of_spf(facts: DomainFacts) -> Iterator[Remark]:
    domain = facts.domain
    for text in _texts(facts, domain):
        mended = _mended(text, "v=spf1")
        if not _SPF.match(text.strip("\"' ")) or text == mended or text.startswith("v=spf1 "):
            continue
        yield _spf(
            Status.FAIL,
            30,
            "There is a TXT record that is meant to be SPF, but is not: "
            + _why(text, "v=spf1", " "),
            "A record counts only if it begins with “v=spf1 ”, without anything before it"
            " (RFC 7208 §4.5).",
            f'Publish it as: {domain}. TXT "{mended}"',
            (f"{domain}: {text}",),
            publish=(Publish(domain, "TXT", mended),),
        )
        return
    yield from _doubled(facts, domain, "v=spf1", _spf)


def _of_dmarc(facts: DomainFacts) -> Iterator[Remark]:
    domain, name = facts.domain, f"_dmarc.{facts.domain}"
    for text in _texts(facts, name):
        mended = _mended(text if ";" in text else text.replace(",", ";"), "v=DMARC1")
        if not _DMARC.match(text.strip("\"' ")) or text == mended:
            continue
        yield _dmarc(
            Status.FAIL,
            30,
            f"The TXT record at {name} is meant to be DMARC, but is not: "
            + _why(text, "v=DMARC1", ";"),
            "A record counts only if it begins with “v=DMARC1;”, with “;” between its tags"
            " (RFC 9989 §4.7).",
            f'Publish it as: {name}. TXT "{mended}"',
            (f"{name}: {text}",),
            publish=(Publish(name, "TXT", mended),),
        )
        return
    for text in _texts(facts, domain):
        if text.startswith("v=DMARC1"):
            yield _dmarc(
                Status.FAIL,
                31,
                f"The DMARC record is at {domain} itself, not at {name}",
                _NOBODY_LOOKS,
                f"Remove it there, and publish it under the name {name} (in most web panels:"
                " _dmarc).",
                (f"{domain}: {text}",),
                publish=(Publish(name, "TXT", text),),
            )
            return
    yield from _doubled(facts, name, "v=DMARC1", _dmarc)


def _doubled(facts: DomainFacts, name: str, start: str, make: RemarkMaker) -> Iterator[Remark]:
    """Yield what stands under the name with the domain once more behind it."""
    wrong = f"{name}.{facts.domain}"
    for text in _texts(facts, wrong):
        if not text.startswith(start):
            continue
        entered = "@" if name == facts.domain else name.removesuffix(f".{facts.domain}")
        yield make(
            Status.FAIL,
            32,
            f"The record is at {wrong}: the domain is in its name twice",
            "The DNS provider's web panel appends the domain to what you enter. " + _NOBODY_LOOKS,
            f"Enter only “{entered}” as the name there, with the same text.",
            (f"{wrong}: {text}",),
            publish=(Publish(name, "TXT", text),),
        )
        return


def _texts(facts: DomainFacts, name: str) -> Iterator[str]:
    answer = facts.strays.get(name)
    for record in answer.records if answer is not None else ():
        yield record.decode("utf-8", "backslashreplace")


def _why(text: str, start: str, following: str) -> str:
    """Return what is wrong with how a text begins."""
    if text[:1] in {'"', "'"}:
        return "the quotation marks are part of the text"
    if text[:1].isspace():
        return "it begins with white space"
    if text.lower().startswith(start.lower()):
        return f"“{start}” is not followed by “{following}”"
    return f"it does not begin with “{start}”"


def _mended(text: str, start: str) -> str:
    """Return a text as it was meant: without quotation marks, beginning as it has to."""
    plain = re.sub(r"\s+", " ", text.strip("\"' "))
    pattern = _SPF if start == "v=spf1" else _DMARC
    rest = plain[found.end() :] if (found := pattern.match(plain)) else plain
    glue = " " if start == "v=spf1" else "; "
    return f"{start}{glue}{rest.lstrip(' ;,:')}".rstrip()
