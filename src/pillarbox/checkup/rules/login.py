"""Judges a login: the credential, its form, the mechanism, or the port."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pillarbox.checkup.facts.login import LoginFacts, LoginTry
from pillarbox.checkup.remark import BLAMED, Area, Remark, Status, remarks_of
from pillarbox.diagnosis.entry import Entry
from pillarbox.diagnosis.explain import explain
from pillarbox.diagnosis.observation import Observation, Source
from pillarbox.diagnosis.phrase import flatten
from pillarbox.diagnosis.provider import provider_of
from pillarbox.smtp.client_outcome import Stage
from pillarbox.smtp.sasl.registry import MECHANISMS, Secret

__all__ = ["LoginReport", "judge_login"]

_remark = remarks_of(Area.SERVER, "PB-LOGIN")
_EMPTY = 10  # the number of the hint that there is no secret
_WRONG = "wrong-password"  # the class of causes that lie in the credential


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginReport:
    """What is to be said of a login; the first remark is the first cause."""

    facts: LoginFacts
    remarks: tuple[Remark, ...]

    @property
    def works(self) -> bool:
        """Whether the login succeeds by one mechanism at least."""
        return any(one.is_accepted for one in self.facts.tries)


def judge_login(facts: LoginFacts) -> LoginReport:
    """Return what is to be said of a login."""
    return LoginReport(facts=facts, remarks=tuple(_remarks(facts)))


def _remarks(facts: LoginFacts) -> Iterator[Remark]:
    if facts.probe is None:
        yield from _unfit(facts)
    elif not facts.tries:
        yield from _untried(facts)
    elif any(one.is_accepted for one in facts.tries):
        yield from _works(facts)
    else:
        yield from _refused(facts)


def _unfit(facts: LoginFacts) -> Iterator[Remark]:
    """Yield why there is no port to show a password to: what the server's own check says."""
    blamed = [one for one in facts.server.remarks if one.status in BLAMED]
    rest = [one for one in facts.server.remarks if one.status is Status.SKIP]
    yield from blamed or rest
    is_there = any(probe.has_spoken for probe in facts.server.facts.probes)
    yield _remark(
        Status.SKIP,
        1,
        "The login was not tried: no port is usable as it should be",
        "A password is shown only to a server whose certificate verifies." if is_there else "",
        "Fix the problems above first; --any-certificate sends the password anyway."
        if is_there
        else "Fix the problems above first.",
    )


def _untried(facts: LoginFacts) -> Iterator[Remark]:
    if facts.hints and facts.hints[0].number == _EMPTY:
        hint = facts.hints[0]
        yield _remark(Status.FAIL, hint.number, hint.what, "No login can work.", hint.fix)
        return
    if facts.left_out:
        yield _remark(
            Status.SKIP,
            9,
            "The login was not tried: checking the ports took all the time",
            "A port that does not answer holds up the others until it times out.",
            "Name the port (HOST:465), or give it more time (--timeout).",
        )
        return
    offered = facts.offered
    known = {name for name in offered if name in MECHANISMS}
    secrets = {MECHANISMS[name].secret for name in known}
    shown = (f"{_where(facts)}: AUTH {' '.join(sorted(offered)) or 'not offered'}",)
    if not offered:
        yield from _no_login(facts, shown)
    elif not facts.has_token and secrets == {Secret.TOKEN}:
        yield _remark(
            Status.FAIL,
            4,
            "The server accepts no passwords, only OAuth 2.0 tokens",
            "Basic authentication is turned off there; Microsoft and Google are phasing it out.",
            "Log in with a token (XOAUTH2 or OAUTHBEARER, --token-file here), or use the"
            " provider's relay or API.",
            shown,
        )
    else:
        yield _remark(
            Status.FAIL,
            5,
            f"The server offers no mechanism for a {'token' if facts.has_token else 'password'}"
            " that is known here",
            "Client and server need one in common.",
            "Use the kind of credential that the offered mechanisms need.",
            shown,
        )


def _no_login(facts: LoginFacts, shown: tuple[str, ...]) -> Iterator[Remark]:
    yield from (one for one in facts.server.remarks if one.status in BLAMED)
    yield _remark(
        Status.FAIL,
        3,
        f"The server offers no login at {_where(facts)}",
        "Port 25 is for mail between servers; programs log in on port 465 or 587.",
        "Use port 465 (TLS from the start) or 587 (STARTTLS).",
        shown,
    )


def _works(facts: LoginFacts) -> Iterator[Remark]:
    good = [one.mechanism for one in facts.tries if one.is_accepted]
    bad = [one for one in facts.tries if not one.is_accepted and not one.is_open]
    if bad:
        names = ", ".join(one.mechanism for one in bad)
        yield _remark(
            Status.WARN,
            6,
            f"The login works with {', '.join(good)}, but not with {names}",
            "A program that chooses a mechanism that does not work fails even with the right "
            "password: the server stores nothing to verify that mechanism with.",
            f"Set the program to {good[-1]}; at a server of your own, keep what {names} needs,"
            " or do not offer it.",
            tuple(_shown(facts, one) for one in bad),
        )
    yield _remark(
        Status.PASS,
        2,
        f"The login works at {_where(facts)} by {', '.join(good)}",
        evidence=tuple(_shown(facts, one) for one in facts.tries if one.is_accepted),
    )


def _refused(facts: LoginFacts) -> Iterator[Remark]:
    last = facts.tries[-1]
    if last.is_open:
        yield _open(facts, last)
        return
    explained = _explained(facts, facts.tries[0])
    looks = tuple(_hinted(facts))
    # Where the reply names another cause than the credential, that comes first.
    cause = _cause(facts, facts.tries[0])
    is_of_credential = cause is None or cause.kind == _WRONG
    yield from (*looks, explained) if is_of_credential else (explained, *looks)


def _hinted(facts: LoginFacts) -> Iterator[Remark]:
    for hint in facts.hints:
        yield _remark(
            Status.FAIL,
            hint.number,
            hint.what,
            "The server refuses the login.",
            hint.fix,
            (_shown(facts, facts.tries[0]), *_source(facts)),
        )


def _open(facts: LoginFacts, last: LoginTry) -> Remark:
    told = _cause(facts, last)
    return _remark(
        Status.SKIP,
        7,
        f"The login could not be tested{f': {told.title}' if told else ''}",
        told.why if told else "The server did not reach a decision.",
        told.now if told else "Try again later.",
        (_shown(facts, last),),
    )


def _explained(facts: LoginFacts, first: LoginTry) -> Remark:
    told = _cause(facts, first)
    names = ", ".join(one.mechanism for one in facts.tries)
    form = facts.form
    wanted = f" {form.name} wants {form.secret_words}." if form and form.secret_words else ""
    return _remark(
        Status.FAIL,
        8,
        f"The login is refused with {names}{f': {told.title}' if told else ''}",
        told.why if told else "",
        (told.now if told else "Check the user name and password.") + wanted,
        tuple(_shown(facts, one) for one in facts.tries) + _source(facts),
    )


def _cause(facts: LoginFacts, tried: LoginTry) -> Entry | None:
    """Return the cause that the catalog knows."""
    reply = tried.reply
    text = reply.text if reply is not None else tried.reason
    told = explain(
        Observation(
            source=Source.REPLY,
            text=text,
            code=reply.code if reply is not None else None,
            enhanced=reply.enhanced if reply is not None else None,
            stage=tried.stage or Stage.AUTH,
            host=facts.host,
            provider=provider_of(facts.host, flatten(text)),
        )
    )
    return told.causes[0].entry if told.causes else None


def _shown(facts: LoginFacts, one: LoginTry) -> str:
    words = "accepted" if one.is_accepted else str(one.reply) if one.reply else one.reason
    return f"{_where(facts)}: {one.mechanism}: {words}"


def _where(facts: LoginFacts) -> str:
    return str(facts.probe.target) if facts.probe is not None else facts.host


def _source(facts: LoginFacts) -> tuple[str, ...]:
    form = facts.form
    if form is None:
        return ()
    hint = ", as a hint only" if form.sure == "low" else ""
    return (f"known of {form.name}{hint}: {form.source}",)
