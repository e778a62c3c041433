"""Mail for ``bounce-later@``: a notification of its failure is caught a moment later."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final

from pillarbox.errors import PillarboxError
from pillarbox.policy.late_bounce import LATER, late_bounce
from pillarbox.smtp.envelope import Envelope, Recipient
from pillarbox.smtp.path import parse_mailbox
from pillarbox.store.ids import show_id
from pillarbox.store.port import MessageId

if TYPE_CHECKING:
    from pillarbox.sandbox.service import Sandbox

__all__ = ["LateBounces"]

_HOSTNAME: Final = "localhost"
_MOST_WAITING: Final = 1_000


class LateBounces:
    """Gives mail back to its senders, into the sandbox where it came from."""

    def __init__(self, sandbox: Sandbox) -> None:
        """Take mail from ``sandbox``, and bring it notifications."""
        self._sandbox = sandbox
        self._numbers = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()

    def give_back(self, message: MessageId, recipients: tuple[str, ...]) -> None:
        """Have a mail given back for some of its recipients; returns at once.

        Where very many wait already, it is not: they would only bounce to each other.
        """
        if len(self._tasks) < _MOST_WAITING:
            self._start(self._give_back(message, recipients))

    async def stop(self) -> None:
        """Give nothing back any more."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _give_back(self, message: MessageId, addresses: tuple[str, ...]) -> None:
        await asyncio.sleep(LATER)
        try:
            summary = await self._sandbox.summary(message)
            content = await self._sandbox.content(message)
            # RFC 5321 §4.5.5: nothing is sent to the null reverse-path.
            if summary is None or content is None or not summary.reverse_path:
                return
            sender = parse_mailbox(summary.reverse_path)
            recipients = tuple(Recipient(parse_mailbox(address)) for address in addresses)
            bounce = late_bounce(
                hostname=_HOSTNAME,
                name=f"{show_id(message)}-{next(self._numbers)}",
                now=self._sandbox.clock.now(),
                envelope=Envelope(reverse_path=sender, recipients=recipients),
                recipients=recipients,
                sender=sender,
                content=content,
            )
            await self._sandbox.ingest(
                bounce,
                reverse_path="<>",
                recipients=(summary.reverse_path,),
                project=summary.project,
            )
        except PillarboxError:
            return  # the mail is gone meanwhile, or nothing is taken in any more
