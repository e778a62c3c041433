"""What SQLite's errors mean for mail.

A full disk may get room again: ``StoreFull``, and the next commit may work. A failed disk is not
trusted again until the store is reopened, because after a failed fsync nobody knows what is on it:
``StoreUnavailable``, now and from then on.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import apsw

from pillarbox.errors import PermanentError
from pillarbox.store.port import StoreFull, StoreUnavailable

__all__ = ["FailureGuard"]

_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_SYNC_FAILED: Final = frozenset({apsw.SQLITE_IOERR_FSYNC, apsw.SQLITE_IOERR_DIR_FSYNC})
_CANNOT_STORE: Final = (
    apsw.ConstraintError,
    apsw.TooBigError,
    apsw.MismatchError,
    apsw.RangeError,
    UnicodeEncodeError,
    OverflowError,
)


class FailureGuard:
    """Turns the errors of one connection into the port's, and remembers the bad ones."""

    def __init__(self) -> None:
        self.reason = ""  # why nothing more is written; "" while all is well

    @contextmanager
    def watch(self, connection: apsw.Connection) -> Iterator[None]:
        """Do something with the connection; a transaction that fails is rolled back.

        Raises:
            StoreFull: There is no room left.
            StoreUnavailable: The disk failed, now or before.
            PermanentError: What was to be stored cannot be stored at all.
        """
        if self.reason:
            raise StoreUnavailable(self.reason)
        try:
            yield
        except _CANNOT_STORE as error:
            self._roll_back(connection)
            raise PermanentError(f"cannot be stored: {error}") from error
        except apsw.FullError as error:
            self._roll_back(connection)
            raise StoreFull(str(error)) from error
        except apsw.IOError as error:
            raise self._disk_failed(connection, error) from error
        except (apsw.BusyError, apsw.LockedError) as error:
            self._roll_back(connection)
            raise StoreUnavailable(f"another process uses the file: {error}") from error
        except apsw.Error as error:
            self._roll_back(connection)
            raise self._latch(f"{type(error).__name__}: {error}") from error
        except BaseException:
            self._roll_back(connection)
            raise

    def _disk_failed(self, connection: apsw.Connection, error: apsw.IOError) -> StoreUnavailable:
        number = connection.system_errno
        extended: int = getattr(error, "extendedresult", apsw.SQLITE_IOERR)
        self._roll_back(connection)
        if number in _NO_ROOM and extended not in _SYNC_FAILED:
            return StoreFull(f"{error}: {errno.errorcode[number]}")
        name = apsw.mapping_extended_result_codes.get(extended, "")
        return self._latch(f"{error} ({name}, {errno.errorcode.get(number, number)})")

    def _latch(self, reason: str) -> StoreUnavailable:
        self.reason = f"{reason}; nothing more is written until the store is opened again"
        return StoreUnavailable(self.reason)

    def _roll_back(self, connection: apsw.Connection) -> None:
        if not connection.in_transaction:  # SQLite may have rolled back by itself
            return
        try:
            connection.execute("ROLLBACK")
        except apsw.Error as error:
            self._latch(f"ROLLBACK: {error}")
