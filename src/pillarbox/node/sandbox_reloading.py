"""Applies a new configuration to a running sandbox: first what can fail, then the rest."""

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
    """Everything built from a configuration."""

    settings: Settings
    logins: dict[str, str]
    pop3_users: dict[str, str]
    projects: tuple[Project, ...]
    tag_rules: tuple[TagRule, ...]
    judging: Judging | None  # None: unchanged


def prepare_change(parts: SandboxParts, settings: Settings) -> SandboxChange:
    """Prepare a configuration; nothing changes yet.

    Raises:
        PermanentError: Something in it cannot be used.
    """
    own, before = settings.sandbox, parts.settings.sandbox
    projects = configured_projects(settings.sandbox_project)
    Projects(projects)  # refuses projects with conflicting claims
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
    """Apply a prepared configuration to a sandbox."""
    own = change.settings.sandbox
    parts.settings = change.settings
    parts.sandbox.use(own, change.tag_rules)
    parts.logins.use(own.logins, change.logins)
    parts.projects.configure(change.projects)
    parts.outward.use(change.settings, change.pop3_users)
    if change.judging is not None:
        parts.sandbox.judging = change.judging
