"""Rules for answers from outside the message: links, authentication, content filters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from pillarbox.findings import Level
from pillarbox.preflight.assessment import Aspect, Judged
from pillarbox.preflight.facts import LinkAnswer, MethodFact, SpamVerdict
from pillarbox.preflight.hosts import is_internal, organization
from pillarbox.preflight.letter import Letter, judged

__all__ = ["RULES"]

_BROKEN: Final = frozenset({404, 410, 451})
_FIRST_ERROR: Final = 500
_FIRST_REFUSAL: Final = 400
_MOST: Final = 5
_MOST_RULES: Final = 10
_PASSED: Final = "pass"
_SHORT: Final = 60  # characters of a reason that stand in the finding itself
_MOST_EVIDENCE: Final = 12
_SHAKY: Final = frozenset({"temperror", "neutral", "policy", "skipped"})
_FAILURES: Final = frozenset({"fail", "permerror"})
_MISSING: Final = {
    "spf": (
        1,
        "There is no SPF record",
        "Gmail, Yahoo and Microsoft require SPF or DKIM from everyone, and both from bulk senders.",
        "pillarbox check domain DOMAIN shows the record to publish.",
        10,
    ),
    "dkim": (
        2,
        "The message has no DKIM signature",
        "Without one it fails DMARC once it is forwarded; bulk senders must sign.",
        "Have the sending server sign it: pillarbox dkim new DOMAIN",
        10,
    ),
    "dmarc": (
        3,
        "There is no DMARC record",
        "Anybody can send mail in the domain's name; bulk senders need a record.",
        "Start with: _dmarc.DOMAIN TXT “v=DMARC1; p=none; rua=mailto:…”",
        5,
    ),
}
_FAILED: Final = {
    "spf": (
        4,
        "SPF does not pass",
        "The domain's SPF record does not list this client as one that may send for it.",
        "Add this client to the record; pillarbox check domain DOMAIN shows what it allows now.",
        15,
    ),
    "dkim": (
        5,
        "A DKIM signature does not pass",
        "Receivers treat the message as unsigned, or as altered in transit.",
        "Sign last, after everything that changes the message, and publish the signing key.",
        20,
    ),
    "dmarc": (
        6,
        "DMARC does not pass",
        "The author's domain decides what happens to the message: quarantine or rejection.",
        (
            "Make SPF or DKIM pass for the author's own domain; signing with that domain is more "
            "reliable. If nobody on your side sent the message, it is forged, and the policy is "
            "doing its job."
        ),
        20,
    ),
    "arc": (
        7,
        "The ARC chain does not pass",
        "Receivers do not trust what the forwarders say they verified.",
        "Each forwarder must seal the message exactly as it sends it on.",
        0,
    ),
    "iprev": (
        8,
        "The client's IP address has no host name that leads back to it",
        "Gmail and others refuse mail from such addresses.",
        "Give the address a PTR record, and that name an A or AAAA record with the address.",
        10,
    ),
}


def _authentication(letter: Letter) -> Iterator[Judged]:
    facts = letter.facts.authentication
    if facts is None:
        return
    passed = {one.method for one in facts.methods if _passes(one)}
    # RFC 6376 §6.1: what counts is whether any signature passes; and a failure counts once.
    # Where DMARC passes, SPF is known to have failed at a forwarder (RFC 9989 §1).
    counted = {"dkim"} & passed | ({"spf"} if "dmarc" in passed else set())
    for one in facts.methods:
        yield from _method(one, is_counted=one.method in counted)
        if one.method == "dkim" and one.result in _FAILURES:
            counted.add("dkim")


def _passes(one: MethodFact) -> bool:
    return one.result == _PASSED


def _method(one: MethodFact, *, is_counted: bool) -> Iterator[Judged]:
    name = "iprev" if one.method == "iprev" else one.method.upper()
    subject = f" for {one.subject}" if one.subject else ""
    if _passes(one):
        what = f"{name} passes{subject}"
        if one.is_aligned is False:
            yield _said(
                Level.NOTE, 9, f"{what}, but is not aligned with the author", one.reason,
                "DMARC counts it only for the author's own domain.", one,
            )  # fmt: skip
        else:
            yield _said(Level.OK, 10, what, one.reason, "", one)
    elif one.result in _SHAKY:
        yield _said(Level.NOTE, 11, f"{name} could not be determined{subject}", one.reason, "", one)
    elif one.result == "none" and one.subject and is_internal(one.subject):
        return  # there is another finding for an author's domain that does not exist
    elif one.result == "none" and one.method in _MISSING:
        number, what, why, fix, tenths = _MISSING[one.method]
        yield _said(Level.WARNING, number, what + subject, why, fix, one, tenths=tenths)
    elif one.result != "none" and one.method in _FAILED:
        number, what, why, fix, tenths = _FAILED[one.method]
        level = Level.NOTE if is_counted or not tenths else Level.ERROR
        said, taken = one.reason.rstrip(".") or one.result, 0 if is_counted else tenths
        if len(said) <= _SHORT:
            what = f"{what}{subject}: {said}"
        else:
            what, why = what + subject, f"{said[0].upper()}{said[1:]}. {why}"
        yield _said(level, number, what, why, one.fix or fix, one, tenths=taken)


def _said(
    level: Level, number: int, what: str, why: str, fix: str, one: MethodFact, *, tenths: int = 0
) -> Judged:
    return judged(
        Aspect.AUTHENTICATION,
        level,
        number,
        what,
        why,
        fix.replace("DOMAIN", one.subject or "DOMAIN"),
        tenths=tenths,
        evidence=one.evidence[:_MOST_EVIDENCE],
    )


def _links(letter: Letter) -> Iterator[Judged]:
    answers = letter.facts.links
    if answers is None:
        return
    broken = [one for one in answers if one.status is not None and _is_broken(one.status)]
    silent = [one for one in answers if one.status is None and not one.is_refused]
    unclear = [
        one
        for one in answers
        if one.status is not None and one.status >= _FIRST_REFUSAL and not _is_broken(one.status)
    ]
    yield from _answered(
        broken,
        Level.ERROR,
        330,
        "is dead",
        "The server says there is nothing there.",
        "Correct it.",
        10,
    )
    yield from _answered(
        silent, Level.WARNING, 331, "did not answer",
        "The server may be down, or its name may be wrong.", "Check the link again.", 3,
    )  # fmt: skip
    yield from _answered(
        unclear, Level.NOTE, 332, "refuses our request",
        "Many servers turn programs away but let people in, so this proves nothing.", "", 0,
    )  # fmt: skip
    yield from _answered(
        [one for one in answers if one.is_refused], Level.NOTE, 333, "was not requested",
        "Only public addresses are requested, and only over http and https.", "", 0,
    )  # fmt: skip
    yield from _answered(
        [one for one in answers if _leads_away(one)], Level.NOTE, 334,
        "is redirected to another domain", "Readers and filters see where it ends.", "", 0,
    )  # fmt: skip
    if answers and not broken and not silent:
        fine = sum(one.status is not None and one.status < _FIRST_REFUSAL for one in answers)
        yield judged(Aspect.LINKS, Level.OK, 335, f"{fine} of {len(answers)} links answer")


def _is_broken(status: int) -> bool:
    return status in _BROKEN or status >= _FIRST_ERROR


def _leads_away(one: LinkAnswer) -> bool:
    if not one.final_url:
        return False
    first, last = (url.partition("://")[2].partition("/")[0] for url in (one.url, one.final_url))
    return organization(first.partition(":")[0]) != organization(last.partition(":")[0])


def _answered(
    answers: list[LinkAnswer], level: Level, number: int, what: str, why: str, fix: str, tenths: int
) -> Iterator[Judged]:
    if answers:
        subject = "A link" if len(answers) == 1 else f"Each of {len(answers)} links"
        yield judged(
            Aspect.LINKS,
            level,
            number,
            f"{subject} {what}",
            why,
            fix,
            tenths=tenths,
            evidence=tuple(map(_shown, answers[:_MOST])),
        )


def _shown(one: LinkAnswer) -> str:
    said = one.problem or (str(one.status) if one.status is not None else "no answer")
    end = f" -> {one.final_url}" if one.final_url else ""
    return f"{one.url}{end}: {said}"[:200]


def _filters(letter: Letter) -> Iterator[Judged]:
    for verdict in letter.facts.spam or ():
        if verdict.problem:
            yield judged(
                Aspect.SPAM,
                Level.NOTE,
                801,
                f"{verdict.filter} could not be asked",
                verdict.problem,
                "Check that it is running, and its address in the settings.",
            )
        else:
            yield _verdict(verdict)


def _verdict(verdict: SpamVerdict) -> Judged:
    share = verdict.score / verdict.threshold if verdict.threshold > 0 else 0.0
    said = f"{verdict.filter}: {verdict.score:g} of {verdict.threshold:g} points"
    rules = sorted(verdict.rules, key=lambda rule: -abs(rule.score))[:_MOST_RULES]
    evidence = tuple(
        f"{rule.score:+.1f} {rule.name}" + (f": {rule.description}" if rule.description else "")
        for rule in rules
    )
    if share < 0.5:  # noqa: PLR2004 - half of the threshold
        return judged(Aspect.SPAM, Level.OK, 802, f"{said}, no spam", evidence=evidence)
    is_spam = share >= 1
    return judged(
        Aspect.SPAM,
        Level.ERROR if is_spam else Level.WARNING,
        804 if is_spam else 803,
        f"{said}: {'spam' if is_spam else 'close to spam'}",
        "Receivers that use this filter put the message into spam or reject it.",
        "Look at the rules with the most points. Rules about DNS or IP addresses mean nothing for "
        "mail that comes from this machine.",
        tenths=min(round(share * 20), 40),
        evidence=evidence,
    )


RULES: Final[tuple[Callable[[Letter], Iterator[Judged]], ...]] = (_authentication, _links, _filters)
