"""A store that fails when it is told to, for tests of what callers do then."""

from __future__ import annotations

from typing import Any

from pillarbox.errors import PillarboxError
from pillarbox.store.port import Store


class FailingStore:
    """Passes every call on to a store, but for those that are to fail.

    ``store.fail("commit", StoreFull("no room"))`` makes the next commit fail, without
    reaching the store; ``on=3`` the third from now. It stands in for a ``Store``.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._failures: dict[str, list[tuple[int, PillarboxError]]] = {}
        self.calls: list[str] = []

    def fail(self, method: str, error: PillarboxError, *, on: int = 1) -> None:
        """Let the ``on``-th call of a method from now raise an error."""
        self._failures.setdefault(method, []).append((self.calls.count(method) + on, error))

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._store, name)
        if name == "has_failed":
            return value

        def call(*arguments: Any, **options: Any) -> Any:
            self.calls.append(name)
            for number, error in self._failures.get(name, ()):
                if self.calls.count(name) == number:
                    raise error
            return value(*arguments, **options)

        return call
