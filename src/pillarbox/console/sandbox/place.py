"""The reader's place in the sandbox, project and search, which every link carries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlencode

from starlette.requests import Request

__all__ = ["LONGEST_SEARCH", "Place"]

LONGEST_SEARCH: Final = 2_000  # characters, as many as the language reads


@dataclass(frozen=True, slots=True)
class Place:
    """A project (None: all) and a search in it."""

    project: str | None = None
    q: str = ""

    @classmethod
    def of(cls, request: Request) -> Place:
        """Return where a request's query says that it is."""
        query = request.query_params
        return cls(query.get("project") or None, query.get("q", "").strip()[:LONGEST_SEARCH])

    @property
    def query(self) -> str:
        """``?q=…&project=…`` for links that stay here; "" where nothing is to say."""
        return self.with_values()

    def with_values(self, **values: str) -> str:
        """Return ``query`` with further values."""
        given = {"q": self.q, "project": self.project or "", **values}
        said = {name: value for name, value in given.items() if value}
        return f"?{urlencode(said, quote_via=quote)}" if said else ""
