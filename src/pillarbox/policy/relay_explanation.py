"""Explains a relay decision: every rule that was tried, and what it said.

The decision itself is the policy's own; here it is only described. RFC 6409 §6.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from pillarbox.policy.authors import AUTHOR_NOT_OWNED
from pillarbox.policy.relay import BuiltIn, Decision, RelayPolicy, Rights
from pillarbox.policy.rules import Client, Condition, Rule
from pillarbox.smtp.address import Mailbox, ReversePath

__all__ = ["Explanation", "Step", "explain"]


@dataclass(frozen=True, slots=True)
class Step:
    """One rule that was tried at a command."""

    command: str  # "MAIL", "RCPT" or "From" (the header field)
    rule: str
    decides: bool
    why: str  # why it does not fit, or what it says


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision, and how it was reached."""

    decision: Decision
    steps: tuple[Step, ...]


def explain(
    policy: RelayPolicy,
    client: Client,
    sender: ReversePath,
    recipient: Mailbox,
    author: Mailbox | None = None,
) -> Explanation:
    """Return the decision about a recipient, and why.

    Args:
        policy: The rules.
        client: Who sends.
        sender: The reverse-path.
        recipient: The forward-path.
        author: The address in the header's From field; None: it is not checked.
    """
    rights = policy.rights(client)
    steps = list(_mail_steps(policy, rights, sender))
    decision = rights.may_send(sender)
    if decision.is_accepted:
        decision = rights.may_relay(sender, recipient)
        steps += _recipient_steps(policy, rights, sender, recipient, decision)
    if decision.is_accepted and author is not None:
        step = _ownership(rights, author, "From")
        steps.append(step)
        if step.decides:
            decision = Decision(BuiltIn.OWNERSHIP, AUTHOR_NOT_OWNED)
    return Explanation(decision, tuple(steps))


def _mail_steps(policy: RelayPolicy, rights: Rights, sender: ReversePath) -> Iterator[Step]:
    decision = rights.may_send(sender)
    fits = None
    for rule in policy.rules:
        why = _miss(rule, rights.client, sender, None)
        if why:
            yield Step("MAIL", rule.name, decides=False, why=why)
        elif rule.allows:
            fits = rule
            yield Step("MAIL", rule.name, decides=False, why=_left_to_recipients(rule))
            break
        elif rule.recipients is not None:
            yield Step("MAIL", rule.name, decides=False, why=_left_to_recipients(rule))
        else:
            yield Step("MAIL", rule.name, decides=True, why="it refuses, for every recipient")
            return
    if fits is None:
        if decision.rule == BuiltIn.LOGIN:
            yield Step("MAIL", BuiltIn.LOGIN, decides=True, why=_login(rights))
            return
        yield Step("MAIL", BuiltIn.LOGIN, decides=False, why=_login(rights))
    yield _ownership(rights, sender, "MAIL")


def _ownership(rights: Rights, sender: ReversePath, command: str) -> Step:
    is_owned = rights.may_use(sender)
    return Step(command, BuiltIn.OWNERSHIP, decides=not is_owned, why=_owned(rights, sender))


def _owned(rights: Rights, sender: ReversePath) -> str:
    who = f"login {rights.client.credential}" if rights.client.credential else "this network"
    if rights.senders is None:
        return "the client has not logged in, and its network is held to no senders"
    if not rights.senders:
        return f"{who} owns no sender at all"
    if sender is None:
        return f"the null reverse-path may be used by {who}, which owns senders"
    owned = ", ".join(rights.senders.patterns)
    is_owned = rights.may_use(sender)
    return f"{sender} is {'among' if is_owned else 'not among'} what {who} owns: {owned}"


def _recipient_steps(
    policy: RelayPolicy,
    rights: Rights,
    sender: ReversePath,
    recipient: Mailbox,
    decision: Decision,
) -> Iterator[Step]:
    for rule in policy.rules:
        why = _miss(rule, rights.client, sender, recipient)
        if why:
            yield Step("RCPT", rule.name, decides=False, why=why)
            continue
        if decision.rule == rule.name:
            yield Step("RCPT", rule.name, decides=True, why=_says(rule))
        else:
            yield Step("RCPT", rule.name, decides=False, why="it allows, and yet:")
            yield Step("RCPT", decision.rule, decides=True, why=_BUILT_IN[decision.rule])
        return
    for name in _ORDER:
        if name == decision.rule:
            yield Step("RCPT", name, decides=True, why=_BUILT_IN[name])
            return
        yield Step("RCPT", name, decides=False, why=_NOT[name])


def _miss(rule: Rule, client: Client, sender: ReversePath, recipient: Mailbox | None) -> str:
    """Return why a rule does not match, or "" if it does."""
    missed = rule.missed_by_client(client)
    if missed is Condition.LISTENER:
        listed = ", ".join(sorted(rule.listeners or ()))
        return f"listener {client.listener} is not {listed}"
    if missed is Condition.CREDENTIAL:
        wanted = _list(rule.credentials.patterns if rule.credentials else ())
        if not client.credential:
            return f"nobody has logged in, and it is for {wanted}"
        return f"login {client.credential} is not {wanted}"
    if missed is Condition.NETWORK:
        networks = rule.networks.networks if rule.networks else ()
        return f"{client.address} is not in {_list(map(str, networks))}"
    if rule.misses_sender(sender):
        return f"{_path(sender)} is not {_list(rule.senders.patterns if rule.senders else ())}"
    if recipient is not None and rule.misses_recipient(recipient):
        wanted = _list(rule.recipients.patterns if rule.recipients else ())
        return f"{recipient.domain or recipient} is not {wanted}"
    return ""


def _list(words: Iterable[str]) -> str:
    return ", ".join(words) or "any that may be trusted"


def _path(sender: ReversePath) -> str:
    return "<>" if sender is None else str(sender)


def _left_to_recipients(rule: Rule) -> str:
    what = "allows" if rule.allows else "refuses"
    wanted = "every recipient" if rule.recipients is None else _list(rule.recipients.patterns)
    return f"it {what} {wanted}, so RCPT decides"


def _says(rule: Rule) -> str:
    return "it allows this" if rule.allows else "it refuses this"


def _login(rights: Rights) -> str:
    client = rights.client
    if rights.must_log_in:
        return f"listener {client.listener} takes mail after a login or from trusted networks only"
    if client.credential:
        return f"logged in as {client.credential}"
    if rights.is_trusted:
        return f"{client.address} is in trusted_networks of listener {client.listener}"
    return f"listener {client.listener} asks for no login"


_ORDER: Final = (
    BuiltIn.LOGIN,
    BuiltIn.ROUTED,
    BuiltIn.UNKNOWN,
    BuiltIn.LOCAL,
    BuiltIn.AUTHENTICATED,
    BuiltIn.TRUSTED,
    BuiltIn.DENIED,
)
_BUILT_IN: Final = {
    BuiltIn.LOGIN: "the listener takes mail after a login or from trusted networks only",
    BuiltIn.ROUTED: "the local part asks to be relayed onward, and is nobody here",
    BuiltIn.UNKNOWN: "the domain is ours, and it has no such recipient",
    BuiltIn.LOCAL: "the recipient is ours",
    BuiltIn.AUTHENTICATED: "who has logged in may send anywhere",
    BuiltIn.TRUSTED: "clients in trusted_networks of the listener may send anywhere",
    BuiltIn.DENIED: "a stranger may send to local recipients only",
}
_NOT: Final = {
    BuiltIn.LOGIN: "no login is needed",
    BuiltIn.ROUTED: "the local part is no route",
    BuiltIn.UNKNOWN: "it is not a local domain, or the recipient is known",
    BuiltIn.LOCAL: "it is not a local domain",
    BuiltIn.AUTHENTICATED: "nobody has logged in",
    BuiltIn.TRUSTED: "the client is not in trusted_networks of the listener",
}
