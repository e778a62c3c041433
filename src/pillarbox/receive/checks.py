"""The port for whatever judges a session before there is a message.

A check (a block list, greylisting, a hook) is asked at the stages it names, may take its time, and
answers with a ruling. A check that fails, or does not answer in time, never turns mail away: the
session goes on, and the operator is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from pillarbox.policy.ruling import Action, Ruling
from pillarbox.smtp.address import ReversePath
from pillarbox.smtp.envelope import Recipient

__all__ = ["NO_CHECKS", "Check", "Checks", "Stage", "Visit"]


class Stage(Enum):
    """When a check is asked."""

    CONNECT = "connect"  # the client is known by its address
    HELO = "helo"  # it has said its name
    AUTH = "auth"  # it has logged in
    MAIL = "mail"  # it wants to send, and our policy lets it
    RCPT = "rcpt"  # to a recipient that our policy lets it send to


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What is known about a session when a check is asked."""

    stage: Stage
    session: str
    listener: str
    client: str  # the peer's address, as text
    is_trusted: bool  # it is in a network that may send anywhere
    helo: str = ""
    is_extended: bool = False  # it said EHLO
    tls: str = ""  # version and cipher, "" without TLS
    identity: str = ""  # who authenticated, "" for nobody
    sender: ReversePath = None
    recipient: Recipient | None = None  # at RCPT


class Check(Protocol):
    """Something that judges a session."""

    @property
    def name(self) -> str:
        """Its name in the configuration and in events."""
        ...

    @property
    def stages(self) -> frozenset[Stage]:
        """The stages at which it is asked."""
        ...

    @property
    def patience(self) -> float:
        """Seconds to wait for its answer."""
        ...

    async def rule(self, visit: Visit) -> Ruling:
        """Return a ruling."""
        ...


class Checks:
    """The checks of a listener, in order."""

    __slots__ = ("_at", "_on_defect")

    def __init__(
        self, checks: Sequence[Check], on_defect: Callable[[str, BaseException], None]
    ) -> None:
        """Ask these checks; ``on_defect`` is called with the name of one that failed, and the
        error.
        """
        self._on_defect = on_defect
        self._at = {
            stage: tuple(check for check in checks if stage in check.stages) for stage in Stage
        }

    @property
    def are_none(self) -> bool:
        """Whether there is nothing to ask at any stage."""
        return not any(self._at.values())

    def at(self, stage: Stage) -> tuple[Check, ...]:
        """Return the checks to ask at a stage."""
        return self._at[stage]

    async def rule(self, visit: Visit) -> tuple[Ruling, ...]:
        """Ask the checks of a stage in order, until one turns the client away.

        Returns:
            Their rulings, without those that have nothing to say.
        """
        said: list[Ruling] = []
        for check in self._at[visit.stage]:
            ruling = await self._rule(check, visit)
            if ruling.action is not Action.PASS:
                said.append(ruling)
            if ruling.turns_away:
                break
        return tuple(said)

    async def _rule(self, check: Check, visit: Visit) -> Ruling:
        try:
            return await asyncio.wait_for(check.rule(visit), check.patience)
        except TimeoutError:
            late = f"no answer within {check.patience:g} s at {visit.stage.value}"
            return Ruling(action=Action.NOTE, by=check.name, reason=late)
        except Exception as error:  # noqa: BLE001 - a defect in a check stops no mail
            self._on_defect(f"check {check.name}", error)
            failed = f"failed at {visit.stage.value}: {type(error).__name__}"
            return Ruling(action=Action.NOTE, by=check.name, reason=failed)


def _ignore(name: str, error: BaseException) -> None:
    del name, error  # there is no check that could fail


NO_CHECKS = Checks((), _ignore)
"""Nothing is asked."""
