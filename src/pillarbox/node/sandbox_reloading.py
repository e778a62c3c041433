"""Applies a new configuration to a running sandbox: first everything that can fail, then the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pillarbox.config.settings import Settings
from pillarbox.node.sandbox_outward import read_pop3_users
from pillarbox.sandbox.judging import Judging
from pillarbox.sandbox.logins import read_logins
from pillarbox.sandbox.projects import Project, Projects, configured_projects
from pillarbox.sandbox.tagging import TagRule, read_tag_rules
from pillarbox.sandbox.webhook_endpoints import check_webhooks

if TYPE_CHECKING:
    from pillarbox.node.sandbox import SandboxParts

__all__ = ["SandboxChange", "prepare_change", "use_change"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxChange:
    """All that a configuration is made into."""

    settings: Settings
    logins: dict[str, str]
    pop3_users: dict[str, str]
    projects: tuple[Project, ...]
    tag_rules: tuple[TagRule, ...]
    judging: Judging | None  # None: as it was


def prepare_change(parts: SandboxParts, settings: Settings) -> SandboxChange:
    """Make of a configuration what a sandbox goes by; nothing changes yet.

    Raises:
        PermanentError: Something in it cannot be used.
    """
    own, before = settings.sandbox, parts.settings.sandbox
    projects = configured_projects(settings.sandbox_project)
    Projects(projects)  # refuses those that ask for the same
    check_webhooks(parts.sandbox, settings.sandbox_webhook)
    filters = (own.rspamd, own.spamassassin)
    return SandboxChange(
        settings=settings,
        logins=read_logins(own),
        pop3_users=read_pop3_users(own),
        projects=projects,
        tag_rules=read_tag_rules(own, parts.sandbox.clock.now()),
        judging=None
        if filters == (before.rspamd, before.spamassassin)
        else parts.make_judging(own),
    )


def use_change(parts: SandboxParts, change: SandboxChange) -> None:
    """Have a sandbox go by a configuration from now on."""
    own = change.settings.sandbox
    parts.settings = change.settings
    parts.sandbox.use(own, change.tag_rules)
    parts.logins.use(own.logins, change.logins)
    parts.projects.configure(change.projects)
    parts.outward.use(change.settings, change.pop3_users)
    if change.judging is not None:
        parts.sandbox.judging = change.judging
