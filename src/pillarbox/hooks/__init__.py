"""Policy in Python: your own functions for rules that configuration cannot express.

A plugin is a file or an installed package with functions marked by ``hook``::

    from pillarbox.hooks import Visit, hook, refuse


    @hook
    async def rcpt(visit: Visit):
        if visit.recipient.address.local_part == "noreply":
            return refuse("Nobody reads this")

See ``docs/hooks.md``. A hook has a timeout, runs in a thread of its own, and can neither hang a
session nor crash the process.
"""

from __future__ import annotations

from pillarbox.findings import Finding, Level
from pillarbox.hooks.answers import Answer, defer, hold, note, passed, refuse
from pillarbox.hooks.specification import hook
from pillarbox.hooks.subjects import Delivery, Message, Stage, Visit

__all__ = [
    "Answer",
    "Delivery",
    "Finding",
    "Level",
    "Message",
    "Stage",
    "Visit",
    "defer",
    "hold",
    "hook",
    "note",
    "passed",
    "refuse",
]
