"""The names of a client: the one that DNS has for its address, and the one in HELO.

Most legitimate mail servers have a name that resolves back to them (RFC 8601 §3, iprev), and use it
in HELO. A HELO name that does not match the address is noted, but is never a reason to refuse mail
(RFC 5321 §4.1.4); a HELO that is not a name at all, or is our name, may be one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pillarbox.config.endpoints import is_host_name
from pillarbox.config.settings import CheckAction, ClientNameSettings
from pillarbox.mailauth.iprev import IprevResult, check_iprev
from pillarbox.mailauth.resolver import Outcome, Resolver
from pillarbox.policy.networks import parse_address
from pillarbox.policy.ruling import PASSED, Action, Ruling
from pillarbox.receive.checks import Stage, Visit
from pillarbox.screening.cache import is_left_alone, networks
from pillarbox.smtp.address import ascii_domain
from pillarbox.smtp.reply import Reply

__all__ = ["HeloName", "ReverseName"]

_ACTIONS: Final = {
    CheckAction.OFF: Action.PASS,
    CheckAction.NOTE: Action.NOTE,
    CheckAction.DEFER: Action.DEFER,
    CheckAction.REFUSE: Action.REFUSE,
}
_REPLIES: Final = {
    "reverse": {
        Action.DEFER: Reply.of(451, "4.7.25", "Your address has no name that has your address"),
        Action.REFUSE: Reply.of(550, "5.7.25", "Your address has no name that has your address"),
    },
    "helo": {
        Action.DEFER: Reply.of(451, "4.7.1", "Say your own name in EHLO"),
        Action.REFUSE: Reply.of(550, "5.7.1", "Say your own name in EHLO"),
    },
}


class ReverseName:
    """Looks up the name of a client's address."""

    name = "reverse_name"
    stages = frozenset({Stage.CONNECT})

    def __init__(self, settings: ClientNameSettings, resolver: Resolver, patience: float) -> None:
        """Ask ``resolver``, and wait for ``patience`` seconds."""
        self.patience = patience
        self._resolver = resolver
        self._exempt = networks(settings.except_networks)
        self._action = _ACTIONS[settings.reverse]

    async def rule(self, visit: Visit) -> Ruling:
        """Check whether the client's address has a name that resolves back to it."""
        if is_left_alone(visit, self._exempt):
            return PASSED
        found = await check_iprev(visit.client, self._resolver)
        # A missing DNS answer is not held against the client.
        is_bad = found.result in {IprevResult.FAIL, IprevResult.PERMANENT_ERROR}
        action = self._action if is_bad else Action.NOTE
        return Ruling(
            action=action,
            by=self.name,
            reply=_REPLIES["reverse"].get(action),
            is_of_strangers=action is not Action.NOTE,
            reason=f"iprev {found.result.value}: {found.reason}",
            evidence=found.evidence,
            client_name=found.name,
        )


class HeloName:
    """Checks the name that a client gives in HELO."""

    name = "helo_name"
    stages = frozenset({Stage.HELO})

    def __init__(
        self,
        settings: ClientNameSettings,
        resolver: Resolver,
        patience: float,
        is_ours: Callable[[str], bool],
    ) -> None:
        """Prepare the check.

        Args:
            settings: The consequences.
            resolver: Asks DNS.
            patience: Seconds.
            is_ours: Whether a name, as in DNS, is this server's name or a local domain.
        """
        self.patience = patience
        self._resolver = resolver
        self._exempt = networks(settings.except_networks)
        self._action = _ACTIONS[settings.helo]
        self._is_ours = is_ours

    async def rule(self, visit: Visit) -> Ruling:
        """Check whether the name is valid and matches the address."""
        if is_left_alone(visit, self._exempt):
            return PASSED
        fault = self._fault(visit.helo, visit.client)
        if fault:
            action = self._action
            return Ruling(
                action=action,
                by=self.name,
                reply=_REPLIES["helo"].get(action),
                reason=fault,
                is_of_strangers=action is not Action.NOTE,
            )
        if visit.helo.startswith("["):
            return PASSED
        answer = await self._resolver.addresses(ascii_domain(visit.helo))
        client = parse_address(visit.client)
        if any(parse_address(each) == client for each in answer.records):
            return PASSED
        said = ", ".join(answer.records[:5]) or answer.reason or answer.outcome.value
        what = "could not be looked up" if answer.outcome is Outcome.UNAVAILABLE else "is not it"
        return Ruling(
            action=Action.NOTE,
            by=self.name,
            reason=f"the client says it is {visit.helo}, which {what}",
            evidence=(f"{visit.helo}: {said}",),
        )

    def _fault(self, helo: str, client: str) -> str:
        """Return what is wrong with a name regardless of DNS, or ""."""
        if helo.startswith("["):
            literal = helo.strip("[]").removeprefix("IPv6:").removeprefix("ipv6:")
            is_own = parse_address(literal) == parse_address(client)
            return "" if is_own else f"it says the address {helo}, and comes from {client}"
        name = ascii_domain(helo)
        if self._is_ours(name):
            return f"it says that it is {helo}, and that is us"
        if not is_host_name(name) or "." not in name.strip("."):
            return f"it says that it is {helo}, which is not a fully qualified name"
        return ""
