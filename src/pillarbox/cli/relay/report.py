"""Writes the results of a relay proof, as a dated page of Markdown and as plain values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pillarbox.cli.relay.attack import Attack, Shot
from pillarbox.events.text import escape, show_time
from pillarbox.policy.relay_proof import Case, Proof
from pillarbox.policy.relay_reach import Reach

__all__ = ["Report", "markdown", "values"]

_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that was tried."""

    at: float  # wall clock
    config: str
    version: str
    outside: str  # the domain that was asked for
    proof: Proof
    reaches: tuple[Reach, ...]
    attacks: tuple[Attack, ...]
    leaks: tuple[tuple[Attack, Shot], ...]  # recipients outside that were taken
    meant: tuple[tuple[Attack, Shot], ...]  # taken: ours, or of a domain that is opened by name
    gaps: tuple[str, ...]  # what could not be tried

    @property
    def is_proved(self) -> bool:
        """Whether nothing was found, and nothing is left open."""
        unclear = any(attack.unclear for attack in self.attacks)
        return self.proof.holds and not (self.leaks or self.gaps or unclear)

    @property
    def verdict(self) -> str:
        """The result in a sentence."""
        if not self.proof.holds or self.leaks:
            return "This is an open relay."
        if not self.is_proved:
            return "No stranger was relayed; not everything could be tried."
        return "No stranger reaches an outside domain."


def markdown(report: Report) -> str:
    """Return the report as a page."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield f"# Relay proof of {show_time(report.at)}"
    yield ""
    yield f"**{report.verdict}**"
    yield ""
    yield f"Configuration: {_code(report.config)}. pillarbox {report.version}."
    yield ""
    yield "## The policy"
    yield ""
    proof = report.proof
    yield (
        f"{proof.cases:,} cases were tried: both ends of every range of addresses between the "
        "borders of the networks in the policy, on every listener, with every kind of sender and "
        "recipient that a rule tells apart, for clients that have not logged in."
    )
    yield ""
    if proof.holds:
        yield "No stranger reaches a domain that is neither ours nor opened by name."
    for case in proof.counterexamples:
        yield f"- counterexample: {_case(case)}"
    yield ""
    yield "| listener | who | to | | by rule |"
    yield "| --- | --- | --- | --- | --- |"
    for reach in report.reaches:
        verb = "may send" if reach.is_accepted else "refused"
        cells = (reach.listener, reach.who, reach.recipients, verb, reach.rule)
        yield f"| {' | '.join(escape(cell).replace('|', chr(92) + '|') for cell in cells)} |"
    yield ""
    yield (
        "Logins are held to the senders that the configuration gives them; what a credential in "
        "the store owns besides is not in this table."
    )
    yield ""
    yield "## The listeners"
    for gap in report.gaps:
        yield f"\n- not tried: {escape(gap)}"
    for attack in report.attacks:
        yield from _attack(attack, report)


def _case(case: Case) -> str:
    sender = "<>" if case.sender is None else f"<{case.sender}>"
    return (
        f"on listener {case.client.listener}, {case.client.address} may send from "
        f"{_code(sender)} to {_code(f'<{case.recipient}>')}, by rule {_code(case.rule)}"
    )


def _attack(attack: Attack, report: Report) -> Iterator[str]:
    target = attack.target
    yield ""
    yield f"### {target.listener} ({target.kind}), {target.place}"
    yield ""
    yield f"Client: {target.client}. {target.how}"
    yield ""
    outside = sum(each is attack for each, _ in report.leaks)
    ours = sum(each is attack for each, _ in report.meant)
    yield (
        f"{attack.shots:,} recipients asked for: {outside} taken for outside, {ours} taken for "
        f"mailboxes of ours and domains opened by name, {len(attack.unclear)} without a final answer. No message was sent."
    )
    yield ""
    for owner, shot in (*report.leaks, *report.meant):
        if owner is attack:
            yield f"- taken ({escape(shot.form)}): {_shot(shot)}"
    for shot in attack.unclear[:_SHOWN]:
        yield f"- unclear ({escape(shot.form)}): {_shot(shot)}"
    yield "| replies | |"
    yield "| ---: | --- |"
    for reply, count in attack.replies.most_common():
        yield f"| {count:,} | {_code(reply)} |"


def _shot(shot: Shot) -> str:
    return (
        f"{_code('MAIL FROM:' + shot.sender)}, {_code('RCPT TO:' + shot.recipient)}: "
        f"{_code(shot.reply or 'no answer')}"
    )


def _code(text: str) -> str:
    return f"`{escape(text).replace('`', chr(39)).replace('|', chr(92) + '|')}`"


def values(report: Report) -> dict[str, Any]:
    """Return the report as plain values, for JSON."""
    return {
        "at": show_time(report.at),
        "proved": report.is_proved,
        "verdict": report.verdict,
        "config": report.config,
        "version": report.version,
        "outside": report.outside,
        "policy": {
            "cases": report.proof.cases,
            "holds": report.proof.holds,
            "counterexamples": [
                {
                    "listener": case.client.listener,
                    "ip": case.client.address,
                    "from": str(case.sender or ""),
                    "to": str(case.recipient),
                    "rule": case.rule,
                }
                for case in report.proof.counterexamples
            ],
            "reaches": [
                {
                    "listener": reach.listener,
                    "who": reach.who,
                    "to": reach.recipients,
                    "accepted": reach.is_accepted,
                    "rule": reach.rule,
                }
                for reach in report.reaches
            ],
        },
        "gaps": list(report.gaps),
        "attacks": [_attack_values(attack, report) for attack in report.attacks],
    }


def _attack_values(attack: Attack, report: Report) -> dict[str, Any]:
    target = attack.target
    return {
        "listener": target.listener,
        "kind": target.kind,
        "host": target.host,
        "port": target.port,
        "starttls": target.uses_starttls,
        "client": target.client,
        "how": target.how,
        "shots": attack.shots,
        "relayed": [_shot_values(shot) for each, shot in report.leaks if each is attack],
        "meant": [_shot_values(shot) for each, shot in report.meant if each is attack],
        "unclear": [_shot_values(shot) for shot in attack.unclear],
        "replies": dict(attack.replies.most_common()),
    }


def _shot_values(shot: Shot) -> dict[str, str]:
    return {
        "form": shot.form,
        "mail_from": shot.sender,
        "rcpt_to": shot.recipient,
        "reply": shot.reply,
    }
