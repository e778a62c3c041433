"""An open inbox: everything that runs in its thread, and its background work."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from pillarbox.errors import PermanentError, PillarboxError
from pillarbox.inbox.sqlite.changing import Changing
from pillarbox.inbox.sqlite.conditions import SQL as FIND
from pillarbox.inbox.sqlite.finding import Finding
from pillarbox.inbox.sqlite.index import WordIndex
from pillarbox.inbox.sqlite.keeping import Keeping
from pillarbox.inbox.sqlite.pruning import Pruning
from pillarbox.inbox.sqlite.reading import read_content
from pillarbox.inbox.sqlite.rows import Words, words_kept
from pillarbox.inbox.sqlite.transactions import Database
from pillarbox.inbox.values import Summary
from pillarbox.store.port import KeptMessage, MessageId

__all__ = ["Opened"]

_PAGES_GIVEN_BACK: Final = 256  # in one step
_KEEP_UP: Final = 0.1  # seconds that a job may take longer for what has piled up


class Opened:
    """The parts of an open inbox. Created and used in one thread."""

    def __init__(self, path: Path, undo_for: float, now: float) -> None:
        """Open the file, or memory; delete what was written for mail that was never stored.

        Raises:
            PermanentError: The file is damaged, not an inbox, or newer than this program.
        """
        self.database = Database(path)
        try:
            with self.database.reading():
                self.index = WordIndex(self.database, self._words)
            self.finding = Finding(self.database, self.index)
            self.keeping = Keeping(self.database)
            self.pruning = Pruning(self.database, self.index, undo_for)
            self.changing = Changing(self.database, self.finding, self.pruning)
            self.keeping.discard_orphans(now)
        except PillarboxError as error:
            self.database.close()
            raise PermanentError(f"cannot open {path}: {error}") from error

    def commit(
        self, messages: Sequence[KeptMessage]
    ) -> tuple[tuple[Summary, ...], tuple[MessageId, ...]]:
        """Store mail; return its list rows, and the mails that a cap removed."""
        mails = self.keeping.read(messages)
        with self.database.transaction():
            self.keeping.write(mails)
            gone = self.pruning.hold()
        self.index.add(mails)
        return tuple(arrived.summary for arrived in mails), tuple(gone)

    def keep_up(self) -> None:
        """After each job, do a bounded amount of work that must not pile up."""
        until = time.monotonic() + _KEEP_UP
        with suppress(PillarboxError):  # the next caller will see that the disk failed
            while self._step(is_urgent=True) and time.monotonic() < until:
                pass
            self.database.checkpoint()

    def tidy(self, may_go_on: Callable[[], bool]) -> bool:
        """Do deferred work as long as ``may_go_on`` allows.

        Returns:
            Whether there is more to do.

        Raises:
            StoreUnavailable: There is no room, or the disk failed.
        """
        while may_go_on():
            if not self._step(is_urgent=False):
                return False
        return True

    def _step(self, *, is_urgent: bool) -> bool:
        """Do one step of deferred work; return whether there was one."""
        if self.pruning.is_far_behind or (self.pruning.has_rows and not is_urgent):
            self.pruning.step()
        elif self.index.is_far_behind or (self.index and not is_urgent):
            self.index.step()
        else:
            return not is_urgent and self.database.give_back(_PAGES_GIVEN_BACK)
        return True

    def _words(self, mail: int) -> Words:
        """Read again the words of a mail that an earlier process has not indexed."""
        with self.database.reading():
            facts: bytes | None = self.database.execute(FIND["facts"], (mail,)).get
            octets = self.finding.octets(mail)
        return words_kept(facts or b"", read_content(octets))

    def close(self) -> None:
        """Close it; deferred work is done at the next opening."""
        self.database.close()
