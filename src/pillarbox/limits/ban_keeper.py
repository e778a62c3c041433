"""Bans, and the addresses that users log in from, stored and shared between nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from pillarbox.errors import PillarboxError
from pillarbox.receive.guesses import Ban, Guesses
from pillarbox.store.notes import Note, NoteStore

__all__ = ["BanKeeper"]

_BANS: Final = "ban"
_KNOWN: Final = "login-address"
_MOST_WAITING: Final = 10_000
_READ_KNOWN_EVERY: Final = 600.0  # seconds

_Facts = tuple[float, int, int]  # since, failures, times
_decode: Final = msgspec.json.Decoder(_Facts).decode


class BanKeeper:
    """Stores what ``Guesses`` must not forget."""

    def __init__(
        self,
        guesses: Guesses,
        notes: NoteStore,
        now: Callable[[], float],
        known_for: Callable[[], float],
    ) -> None:
        """Subscribe to new bans.

        Args:
            guesses: The source of the bans.
            notes: Where they are stored.
            now: The wall clock.
            known_for: Seconds for which a user's address is remembered.
        """
        self._guesses = guesses
        self._notes = notes
        self._now = now
        self._known_for = known_for
        self._new_bans: list[Ban] = []
        self._new_known: dict[str, float] = {}
        self._kept: frozenset[str] = frozenset()  # the bans last seen in the store
        self._read_known_at = 0.0
        guesses.on_ban = self._banned
        guesses.on_known = self._known

    async def settle(self) -> None:
        """Write what is new, and read what other nodes wrote.

        Raises:
            StoreUnavailable: The store is down; the next call retries.
        """
        now = self._now()
        bans, self._new_bans = self._new_bans, []
        known, self._new_known = self._new_known, {}
        try:
            if bans or known:
                ends = now + self._known_for()
                fresh = [Note(kind=_KNOWN, key=key, expires_at=ends) for key in known]
                await self._notes.put([*map(_note, bans), *fresh])
            await self._read_bans(now)
            if now - self._read_known_at >= _READ_KNOWN_EVERY:
                self._read_known_at = now
                for note in await self._notes.all(_KNOWN, now=now):
                    self._guesses.know(note.key, note.expires_at - self._known_for())
        except PillarboxError:
            self._new_bans = [*bans, *self._new_bans]
            self._new_known = known | self._new_known
            raise

    async def lift(self, client: str) -> bool:
        """Lift a ban on all nodes; return whether there was one.

        Raises:
            StoreUnavailable: The store is down; the ban is lifted on this node only.
        """
        shown = self._guesses.lift(client, self._now())
        if shown is None:
            return False
        self._kept -= {shown}
        self._new_bans = [ban for ban in self._new_bans if ban.client != shown]
        await self._notes.remove(_BANS, [shown])
        return True

    async def _read_bans(self, now: float) -> None:
        there = {note.key: note for note in await self._notes.all(_BANS, now=now)}
        here = {ban.client: ban for ban in self._guesses.bans(now)}
        for client in self._kept - there.keys():
            if client in here:  # another node has lifted it
                self._guesses.lift(client, now)
        self._guesses.put(_ban(note) for client, note in there.items() if client not in here)
        self._kept = frozenset(there)

    def _banned(self, ban: Ban) -> None:
        if len(self._new_bans) < _MOST_WAITING:
            self._new_bans.append(ban)

    def _known(self, note: str) -> None:
        if len(self._new_known) < _MOST_WAITING:
            self._new_known[note] = self._now()


def _note(ban: Ban) -> Note:
    facts: _Facts = (ban.since, ban.failures, ban.times)
    return Note(kind=_BANS, key=ban.client, value=msgspec.json.encode(facts), expires_at=ban.until)


def _ban(note: Note) -> Ban:
    since, failures, times = _decode(note.value)
    return Ban(note.key, since, note.expires_at, failures, times)
