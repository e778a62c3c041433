"""The local domains, read from the configuration and the files it names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pillarbox.config.settings import DomainSettings, Settings
from pillarbox.errors import PermanentError
from pillarbox.findings import Finding
from pillarbox.policy.recipient_files import parse_aliases, parse_recipients
from pillarbox.policy.recipients import LocalDomain, LocalDomains, Returned, fold_local_part
from pillarbox.smtp.address import Mailbox
from pillarbox.smtp.path import parse_mailbox

__all__ = ["read_domains"]


def read_domains(
    settings: Settings, returned: Returned | None = None
) -> tuple[LocalDomains, tuple[Finding, ...]]:
    """Read all local domains.

    Args:
        settings: The configuration.
        returned: Leads addresses that we made for forwarded mail back to its senders.

    Returns:
        The domains, and what is wrong with lines of their files; those lines are left out.

    Raises:
        PermanentError: A file cannot be read, or an address is none.
    """
    findings: list[Finding] = []
    domains = [_read(name, each, findings) for name, each in settings.domain.items()]
    postmaster = settings.node.postmaster
    owner = _mailbox(postmaster, "node.postmaster") if postmaster else None
    local = LocalDomains(domains, owner, returned)
    return local, (*findings, *local.findings())


def _read(name: str, settings: DomainSettings, findings: list[Finding]) -> LocalDomain:
    recipients = frozenset(map(fold_local_part, settings.recipients))
    if settings.recipients_file is not None:
        listed, wrong = parse_recipients(
            _text(settings.recipients_file), file=str(settings.recipients_file)
        )
        recipients |= listed
        findings += wrong
    aliases: Mapping[str, tuple[Mailbox, ...]] = {}
    if settings.aliases_file is not None:
        aliases, wrong = parse_aliases(
            _text(settings.aliases_file), file=str(settings.aliases_file), domain=name
        )
        findings += wrong
    catch_all = settings.catch_all
    return LocalDomain(
        name=name,
        recipients=recipients,
        aliases=aliases,
        catch_all=_mailbox(catch_all, f'domain."{name}".catch_all') if catch_all else None,
        route=settings.route,
        separator=settings.subaddress_separator,
    )


def _mailbox(text: str, key: str) -> Mailbox:
    try:
        return parse_mailbox(text)
    except PermanentError as error:
        raise PermanentError(f"{key}: {error}") from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise PermanentError(f"cannot read {path}: {reason}") from error
