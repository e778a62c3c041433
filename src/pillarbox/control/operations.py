"""The operator's operations, on a running node or on the store of a stopped one.

A running node provides its ``Live`` side, and the control server passes requests here. For a
stopped node the command line opens the store under its lock and calls the same methods.

Guarantees: long answers are read from the store in pages, and long changes are made in pages, each
durable by itself, so that the node keeps working meanwhile. Failures are ``PillarboxError`` with a
text for the operator.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from pillarbox.config.settings import RouteKind, RouteSettings
from pillarbox.control import protocol as p
from pillarbox.control.bans import BanOperations
from pillarbox.control.credentials import CredentialOperations
from pillarbox.control.selection import CHANGES, selection_of, states_of
from pillarbox.errors import PermanentError
from pillarbox.events.types import (
    Event,
    RecipientCanceled,
    RecipientHeld,
    RecipientReleased,
    RecipientRetried,
)
from pillarbox.policy.queue import RecipientState
from pillarbox.store.ids import parse_id, show_id
from pillarbox.store.port import (
    Change,
    Changed,
    KeptMessage,
    KeptRecipient,
    MessageId,
    Selection,
    Store,
    Way,
)
from pillarbox.store.recipients import matches

__all__ = ["Live", "Operations"]

_PAGE: Final = 500  # messages read or changed at a time
_OPERATOR: Final = "by an operator"
_REROUTED: Final = frozenset({Change.RETRY, Change.RELEASE})


class Live(Protocol):
    """The part of a running node that is not in the store."""

    def status(self) -> p.StatusRow:
        """Return the node's status; ``queue`` and ``free_octets`` are filled in from the store."""
        ...

    def follow(self, changed: Sequence[Changed], change: Change) -> None:
        """Tell the scheduler about changes in the store."""
        ...

    async def reload(self) -> Sequence[str]:
        """Reload configuration and certificates; return what changed, in words.

        Raises:
            PillarboxError: Nothing was changed; the message says why.
        """
        ...

    def pause(self, *, is_paused: bool) -> None:
        """Start no more deliveries, or start them again."""
        ...

    def stop(self, reason: str) -> None:
        """Begin to stop; returns at once."""
        ...


class Operations:
    """The operations on one node's store."""

    def __init__(
        self,
        store: Store,
        *,
        now: Callable[[], float],
        record: Callable[[Sequence[Event]], Awaitable[None]],
        status: p.StatusRow,
        routes: Callable[[], Mapping[str, RouteSettings]],
        live: Live | None = None,
        credentials: CredentialOperations | None = None,
        bans: BanOperations | None = None,
    ) -> None:
        """Work on an open store.

        Args:
            store: The node's store.
            now: The wall clock, in seconds.
            record: Writes the operator's actions into the histories and the log.
            status: The status of a stopped node (a running one's comes from ``live``).
            routes: The configured routes.
            live: The running node, or None if it is stopped.
            credentials: The operations on credentials; None: not available.
            bans: The operations on bans; None: not available.
        """
        self._store = store
        self._now = now
        self._record = record
        self._status = status
        self._routes = routes
        self._live = live
        self._table: dict[type[Any], Callable[[Any], AsyncIterator[p.Row]]] = {
            p.ShowStatus: self._show_status,
            p.SummarizeQueue: self._summarize,
            p.ListQueue: self._list,
            p.CountQueue: self._count,
            p.ChangeQueue: self._change,
            p.ShowMessage: self._show_message,
            p.ShowLog: self._show_log,
            p.Backup: self._backup,
            p.Verify: self._verify,
            p.ListNotes: self._list_notes,
            p.Reload: self._reload,
            p.Pause: self._pause,
            p.Resume: self._pause,
            p.Stop: self._stop,
            **(credentials.table() if credentials else {}),
            **(bans.table() if bans else {}),
        }

    def run(self, request: p.Request) -> AsyncIterator[p.Row]:
        """Carry out a request; the last row is ``Done``.

        Raises:
            PillarboxError: It cannot be done; raised while the rows are read.
        """
        return self._table[type(request)](request)

    # --- seeing -------------------------------------------------------------------

    async def _show_status(self, request: p.ShowStatus) -> AsyncIterator[p.Row]:
        del request
        status = self._live.status() if self._live else self._status
        counts = await self._store.count(now=self._now())
        queue: dict[str, int] = {}
        for count in counts:
            name = count.state.name.lower()
            queue[name] = queue.get(name, 0) + sum(count.ages)
        yield msgspec.structs.replace(
            status,
            queue=queue,
            oldest_accepted_at=min((count.oldest_accepted_at for count in counts), default=None),
            free_octets=await self._store.free_octets(),
        )
        yield p.Done(count=1)

    async def _summarize(self, request: p.SummarizeQueue) -> AsyncIterator[p.Row]:
        del request
        counts = await self._store.count(now=self._now())
        for count in sorted(counts, key=lambda count: -sum(count.ages)):
            yield p.DestinationRow(
                destination=count.destination,
                state=count.state.name.lower(),
                ages=list(count.ages),
                oldest_accepted_at=count.oldest_accepted_at,
            )
        yield p.Done(count=len(counts))

    async def _list(self, request: p.ListQueue) -> AsyncIterator[p.Row]:
        selection = selection_of(request.filter, self._now())
        shown = 0
        async for page in self._pages(selection, limit=request.limit):
            for message in page:
                yield _row(message, selection)
            shown += len(page)
        yield p.Done(count=shown)

    async def _show_message(self, request: p.ShowMessage) -> AsyncIterator[p.Row]:
        message = await self._store.message(parse_id(request.message))
        if message is None:
            raise PermanentError(f"there is no message {request.message} in the store")
        yield _row(message, None)
        yield p.Done(count=1)

    async def _show_log(self, request: p.ShowLog) -> AsyncIterator[p.Row]:
        messages = await self._find(request.what, request.limit)
        for message in messages:
            yield _row(message, None)
            async for row in self._history(message.id):
                yield row
        if not messages:
            async for row in self._history_alone(request.what):
                yield row
        yield p.Done(count=len(messages))

    async def _history(self, message: MessageId) -> AsyncIterator[p.Row]:
        for payload in await self._store.history(message):
            yield p.EventRow(message=show_id(message), event=msgspec.Raw(payload))

    async def _history_alone(self, what: str) -> AsyncIterator[p.Row]:
        """Yield the history of a message whose record has been removed already."""
        try:
            message = parse_id(what)
        except PermanentError:
            return
        async for row in self._history(message):
            yield row

    async def _find(self, what: str, limit: int) -> Sequence[KeptMessage]:
        """Return the newest messages that an operator may mean by ``what``, oldest first."""
        try:
            message = await self._store.message(parse_id(what))
        except PermanentError:
            pass
        else:
            return [] if message is None else [message]
        everything = frozenset(RecipientState)
        brackets = what if what.startswith("<") else f"<{what}>"
        for selection in (
            Selection(recipient=what.strip("<>"), states=everything),
            Selection(message_id_header=brackets, states=everything),
        ):
            newest: deque[KeptMessage] = deque(maxlen=max(limit, 1))
            async for page in self._pages(selection):
                newest.extend(page)
            if newest:
                return newest
        return []

    # --- steering -----------------------------------------------------------------

    async def _count(self, request: p.CountQueue) -> AsyncIterator[p.Row]:
        selection = self._changeable(request.filter, request.change)
        count = 0
        async for page in self._pages(selection):
            count += sum(len(_matching(message, selection)) for message in page)
        yield p.Done(count=count)

    async def _change(self, request: p.ChangeQueue) -> AsyncIterator[p.Row]:
        selection = self._changeable(request.filter, request.change)
        change = Change(request.change)
        way = None if request.route is None else self._way(request.route, change)
        count = 0
        kept_back: Counter[str] = Counter()  # by routes that hold their mail
        async for page in self._pages(selection):
            # Each page lists its ids, so that a change is never larger than a page.
            ids = frozenset(message.id for message in page)
            narrow = replace(selection, messages=ids)
            changed = await self._store.change(narrow, change, now=self._now(), way=way)
            if self._live is not None:
                self._live.follow(changed, change)
            await self._record(list(self._events(page, changed, change)))
            count += len(changed)
            if change in _REROUTED:
                kept_back.update(item.queue.route for item in changed if self._holds(item))
        yield p.Done(count=count, text="; ".join(_held_again(kept_back)))

    def _holds(self, changed: Changed) -> bool:
        route = self._routes().get(changed.queue.route)
        return route is not None and route.kind is RouteKind.HOLD

    def _changeable(self, chosen: p.Filter, change: str) -> Selection:
        if change not in CHANGES:
            raise PermanentError(f"{change!r} is not one of {', '.join(CHANGES)}")
        states = states_of(chosen, CHANGES[change])
        return selection_of(msgspec.structs.replace(chosen, states=states), self._now())

    def _way(self, name: str, change: Change) -> Way:
        if change not in _REROUTED:
            raise PermanentError(f"{change.value} takes no route")
        routes = self._routes()
        if name not in routes:
            known = ", ".join(routes) or "none"
            raise PermanentError(f"there is no route {name!r}; configured are: {known}")
        return Way(name, routes[name].source)

    def _events(
        self, page: Sequence[KeptMessage], changed: Sequence[Changed], change: Change
    ) -> Iterator[Event]:
        messages = {message.id: message for message in page}
        at = self._now()
        for item in changed:
            recipient = messages[item.message].envelope.recipients[item.index].address
            yield _EVENTS[change](at, show_id(item.message), str(recipient))

    async def _pages(
        self, selection: Selection, limit: int | None = None
    ) -> AsyncIterator[Sequence[KeptMessage]]:
        after: MessageId | None = None
        left = limit
        while left is None or left > 0:
            size = _PAGE if left is None else min(_PAGE, left)
            page = await self._store.find(selection, limit=size, after=after)
            if page:
                yield page
            if len(page) < size:
                return
            after = page[-1].id
            left = None if left is None else left - len(page)

    # --- upkeep -------------------------------------------------------------------

    async def _backup(self, request: p.Backup) -> AsyncIterator[p.Row]:
        if not Path(request.path).is_absolute():
            raise PermanentError(f"{request.path} is not an absolute path")
        await self._store.backup(request.path)
        yield p.Done(count=1, text=request.path)

    async def _verify(self, request: p.Verify) -> AsyncIterator[p.Row]:
        del request
        findings = await self._store.verify()
        for finding in findings:
            yield p.FindingRow(
                level=int(finding.level),
                code=finding.code,
                what=finding.what,
                why=finding.why,
                fix=finding.fix,
                evidence=list(finding.evidence),
            )
        yield p.Done(count=len(findings))

    async def _list_notes(self, request: p.ListNotes) -> AsyncIterator[p.Row]:
        notes = await self._store.notes.all(request.kind, now=self._now())
        found = [note for note in notes if note.key.startswith(request.prefix)]
        for note in found:
            yield p.NoteRow(key=note.key, value=msgspec.Raw(note.value))
        yield p.Done(count=len(found))

    async def _reload(self, request: p.Reload) -> AsyncIterator[p.Row]:
        del request
        changed = await self._running().reload()
        yield p.Done(count=len(changed), text=", ".join(changed))

    async def _pause(self, request: p.Pause | p.Resume) -> AsyncIterator[p.Row]:
        self._running().pause(is_paused=isinstance(request, p.Pause))
        yield p.Done()

    async def _stop(self, request: p.Stop) -> AsyncIterator[p.Row]:
        del request
        live = self._running()
        yield p.Done()
        live.stop("asked by an operator")

    def _running(self) -> Live:
        if self._live is None:
            raise PermanentError("the node does not run; start it with `pillarbox serve`")
        return self._live


_EVENTS: Final[dict[Change, Callable[[float, str, str], Event]]] = {
    Change.RETRY: lambda at, id_, who: RecipientRetried(at=at, message=id_, recipient=who),
    Change.RELEASE: lambda at, id_, who: RecipientReleased(at=at, message=id_, recipient=who),
    Change.CANCEL: lambda at, id_, who: RecipientCanceled(at=at, message=id_, recipient=who),
    Change.HOLD: lambda at, id_, who: RecipientHeld(
        at=at, message=id_, recipient=who, reason=_OPERATOR
    ),
}


def _matching(message: KeptMessage, selection: Selection) -> Sequence[KeptRecipient]:
    return [each for each in message.recipients if matches(selection, message, each)]


def _row(message: KeptMessage, selection: Selection | None) -> p.MessageRow:
    """Return a message row with the requested recipients."""
    kept = message.recipients if selection is None else _matching(message, selection)
    sender = message.envelope.reverse_path
    return p.MessageRow(
        message=show_id(message.id),
        accepted_at=message.accepted_at,
        sender=str(sender) if sender else "",
        size=message.size,
        message_id=message.message_id_header,
        origin=message.origin,
        identity=message.identity,
        client=message.client,
        bounce_of=show_id(message.bounce_of) if message.bounce_of else "",
        recipients=[
            p.RecipientRow(
                address=str(message.envelope.recipients[recipient.index].address),
                state=recipient.state.name.lower(),
                destination=recipient.queue.destination,
                route=recipient.queue.route,
                attempts=recipient.attempts,
                next_attempt_at=recipient.next_attempt_at,
                last_reply=recipient.last_reply,
            )
            for recipient in kept
        ],
    )


def _held_again(routes: Mapping[str, int]) -> Iterator[str]:
    """Yield the rows about recipients that a route is going to hold again."""
    for name, count in routes.items():
        yield (
            f"route {name} holds {count:,} of them again; `--route` with the name of another "
            "lets them go"
        )
