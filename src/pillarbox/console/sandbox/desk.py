"""The context shared by all pages: the sandbox, the templates, and a little state."""

from __future__ import annotations

from dataclasses import dataclass

from pillarbox.console.sandbox.hues import Hues
from pillarbox.console.sandbox.saved import SavedSearches
from pillarbox.sandbox.service import Sandbox
from pillarbox.web.pages import Pages

__all__ = ["Desk"]


@dataclass(frozen=True, slots=True)
class Desk:
    """The sandbox as its pages hold it."""

    sandbox: Sandbox
    pages: Pages
    hues: Hues
    searches: SavedSearches

    @classmethod
    def at(cls, sandbox: Sandbox) -> Desk:
        """Return the desk of a sandbox."""
        inbox = sandbox.inbox
        return cls(sandbox, Pages("pillarbox.console"), Hues(inbox), SavedSearches(inbox))
