"""The rulings of a listener's checks in one session, and who waits for them.

Checks of the connection and of HELO begin as soon as there is something to check, and run beside
the session: nobody waits for a block list before the greeting. Their rulings apply at MAIL, where
the sender is known, so that a refusal can be explained to whoever asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pillarbox.policy.ruling import Ruling, strictest
from pillarbox.receive.checks import Checks, Stage, Visit

__all__ = ["Gate"]


class Gate:
    """Asks the checks, and remembers their rulings."""

    __slots__ = ("_ahead", "_checks", "_of_session", "_of_transaction", "_tasks", "is_of_login")

    def __init__(self, checks: Checks) -> None:
        """Nothing has been asked yet."""
        self._checks = checks
        self._ahead: dict[Stage, asyncio.Task[tuple[Ruling, ...]]] = {}
        self._of_session: dict[Stage, tuple[Ruling, ...]] = {}
        self._of_transaction: tuple[Ruling, ...] = ()
        self._tasks: set[asyncio.Task[None]] = set()
        self.is_of_login = False
        """Whether the client has logged in, so that what is said of strangers does not count."""

    @property
    def rulings(self) -> tuple[Ruling, ...]:
        """The rulings that apply to the current message."""
        of_session = (ruling for said in self._of_session.values() for ruling in said)
        if self.is_of_login:
            of_session = (ruling for ruling in of_session if not ruling.is_of_strangers)
        return (*of_session, *self._of_transaction)

    def begin(self, visit: Visit) -> None:
        """Ask about the connection, HELO or a login; earlier rulings on it are dropped."""
        self._of_session.pop(visit.stage, None)
        earlier = self._ahead.pop(visit.stage, None)
        if earlier is not None:
            earlier.cancel()
        if self._checks.at(visit.stage):
            asking = asyncio.get_running_loop().create_task(self._checks.rule(visit))
            self._ahead[visit.stage] = asking

    def ask(self, visit: Visit, then: Callable[[Ruling], None]) -> bool:
        """Ask about MAIL or RCPT.

        Args:
            visit: What is known.
            then: Called with the strictest ruling so far; before this returns if there is
                nothing to wait for.

        Returns:
            Whether the answer is there already.
        """
        if visit.stage is Stage.MAIL:
            self.reset()
        if not self._checks.at(visit.stage) and not self._ahead:
            then(strictest(self.rulings))
            return True
        task = asyncio.get_running_loop().create_task(self._ask(visit, then))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return False

    def reset(self) -> None:
        """Drop the rulings on a transaction that is over."""
        self._of_transaction = ()

    def close(self) -> None:
        """Cancel everything; the client is gone."""
        for task in (*self._ahead.values(), *self._tasks):
            task.cancel()
        self._ahead.clear()

    async def _ask(self, visit: Visit, then: Callable[[Ruling], None]) -> None:
        while self._ahead:
            stage, asked = next(iter(self._ahead.items()))
            self._of_session[stage] = await asked
            if self._ahead.get(stage) is asked:
                del self._ahead[stage]
        strict = strictest(self.rulings)
        if not strict.turns_away:
            said = await self._checks.rule(visit)
            strict = strictest((*self.rulings, *said) if visit.stage is Stage.MAIL else said)
            # A recipient that is turned away leaves nothing behind for the others.
            if not strict.turns_away:
                self._of_transaction += said
        then(strict)
