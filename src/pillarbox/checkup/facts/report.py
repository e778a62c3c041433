"""The facts about a server together with the remarks on them."""

from __future__ import annotations

from dataclasses import dataclass

from pillarbox.checkup.facts.smtp import ServerFacts
from pillarbox.checkup.remark import Remark

__all__ = ["ServerReport"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerReport:
    """A server as it was judged."""

    facts: ServerFacts
    remarks: tuple[Remark, ...]  # the first is the first cause
    use: str  # the port to use, in words; "" where there is none
    port: int | None
