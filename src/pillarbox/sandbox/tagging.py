"""The tags that a message has from the start, and the project it goes to.

What a message says about itself (X-Tags, the ``+tag`` of a recipient, the login) is seen when it is
stored; tags that take a search are added right after.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from pillarbox.config.settings.sandbox import SandboxSettings
from pillarbox.errors import PermanentError
from pillarbox.inbox.values import Label, Selection, Summary
from pillarbox.message.summary import MailSummary
from pillarbox.sandbox.projects import Projects
from pillarbox.search.folding import fold
from pillarbox.search.language import parse_query
from pillarbox.store.port import KeptMessage, MessageId, StoreUnavailable

__all__ = ["FOR_PROJECT", "Labels", "TagRule", "Tagger", "clean_tag", "read_tag_rules"]

FOR_PROJECT: Final = "project:"
"""Before the name of a project, the origin of mail that goes there whatever it looks like."""

_MOST_TAGS: Final = 50  # of one mail, from itself
_LONGEST: Final = 100  # characters
_NOT_IN_TAGS: Final = re.compile(r"[^\w\-. ]+")


@dataclass(frozen=True, slots=True)
class TagRule:
    """Mail that a search finds gets a tag."""

    tag: str
    search: str  # its text: what is relative to now is relative to when a mail comes


def read_tag_rules(settings: SandboxSettings, now: float) -> tuple[TagRule, ...]:
    """Return the rules in the configuration.

    Raises:
        PermanentError: One is not of the form ``tag: search``, or cannot be searched for.
    """
    rules = []
    for text in settings.tags:
        tag, colon, search = text.partition(":")
        if not (clean_tag(tag) and colon and search.strip()):
            raise PermanentError(f'sandbox.tags: {text!r} is not of the form "tag: search"')
        parse_query(search, now=now)
        rules.append(TagRule(clean_tag(tag), search.strip()))
    return tuple(rules)


def clean_tag(text: str) -> str:
    """Return a tag as it is kept: letters, digits, spaces, ``-``, ``_`` and ``.``; or ""."""
    return " ".join(_NOT_IN_TAGS.sub("", text).split())[:_LONGEST]


class Labels:
    """Labels mail when it is kept. It is asked on the inbox's thread."""

    def __init__(self, settings: SandboxSettings, projects: Projects) -> None:
        """Go by the settings; projects may change meanwhile."""
        self._projects = projects
        self._by_address = settings.tag_by_address
        self._by_header = settings.tag_by_header
        self._by_user = settings.tag_by_user

    def __call__(self, message: KeptMessage, summary: MailSummary) -> Label:
        """Return where a mail goes, and its first tags."""
        envelope = message.envelope
        recipients = [str(each.address) for each in envelope.recipients]
        project = message.origin.removeprefix(FOR_PROJECT)
        if project == message.origin:  # it did not come by a way that leads to one project
            sender = str(envelope.reverse_path or "")
            project = self._projects.choose(message.identity, sender, recipients)
        return Label(project=project, tags=self._tags(message.identity, recipients, summary))

    def _tags(
        self, identity: str, recipients: Sequence[str], summary: MailSummary
    ) -> tuple[str, ...]:
        found: list[str] = []
        if self._by_header:
            found += summary.tags_header
        if self._by_address:
            for recipient in recipients:
                _, plus, tag = recipient.rpartition("@")[0].partition("+")
                if plus:
                    found += tag.split("+")
        if self._by_user and identity:
            found.append(identity)
        if not found:
            return ()
        cleaned = (clean_tag(tag) for tag in found[: 2 * _MOST_TAGS])
        return tuple(dict.fromkeys(tag for tag in cleaned if tag))[:_MOST_TAGS]


class Tagger:
    """Puts tags on mail that searches find, right after it was kept.

    What is kept while it is at work waits for its next round, so that it asks no more often
    than it gets answers.
    """

    def __init__(
        self,
        rules: Sequence[TagRule],
        *,
        tag: Callable[[Selection, str], Awaitable[Iterable[MessageId]]],
        now: Callable[[], float],
        start: Callable[[Coroutine[None, None, None], str], None],
        tagged: Callable[[Sequence[Summary]], None],
    ) -> None:
        """Go by these rules.

        Args:
            rules: Which mail gets which tag.
            tag: Puts a tag on mails; returns on which.
            now: The wall clock.
            start: Starts a task, by its name.
            tagged: Called with mail that has its tags now.
        """
        self._rules = tuple(rules)
        self._tag = tag
        self._now = now
        self._start = start
        self._tagged = tagged
        self._waiting: dict[MessageId, Summary] = {}
        self._is_at_work = False

    def use(self, rules: Sequence[TagRule]) -> None:
        """Go by other rules from now on."""
        self._rules = tuple(rules)

    def kept(self, summaries: Sequence[Summary]) -> None:
        """Take note of mail that a commit has kept; returns at once."""
        if not self._rules:
            self._tagged(summaries)
            return
        self._waiting.update((summary.id, summary) for summary in summaries)
        if not self._is_at_work:
            self._is_at_work = True
            self._start(self._work(), "sandbox: tags")

    async def _work(self) -> None:
        try:
            while self._waiting:
                mails, self._waiting = self._waiting, {}
                try:
                    await self._round(mails)
                finally:  # who is told of mail hears of it, whatever became of its tags
                    self._tagged(tuple(mails.values()))
        finally:
            self._is_at_work = False

    async def _round(self, mails: dict[MessageId, Summary]) -> None:
        """Go by all rules once, and note the tags in ``mails``."""
        ids = frozenset(mails)
        for rule in self._rules:
            query = parse_query(rule.search, now=self._now())
            with suppress(StoreUnavailable):  # whoever brings mail hears of that
                for mail in await self._tag(Selection(ids=ids, query=query), rule.tag):
                    tags = {*mails[mail].tags, rule.tag}
                    mails[mail] = replace(mails[mail], tags=tuple(sorted(tags, key=fold)))
