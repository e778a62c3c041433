"""``pillarbox check``: test a domain, a mail server, a message, a login or port 25."""

from __future__ import annotations

from typing import Final

import click

from pillarbox.cli.lazy import LazyGroup, Place

__all__ = ["check"]

_SECTIONS: Final = {
    "Commands": {
        "domain": Place("check.domain", "domain", "Test a domain's MX, SPF, DKIM, DMARC and TLS."),
        "smtp": Place("check.smtp", "smtp", "Test a mail server: each port, step by step."),
        "message": Place("check.message", "message", "Check a message as its receivers will."),
        "login": Place("check.login", "login", "Try a login by each mechanism offered."),
        "port25": Place("check.port25", "port25", "Find out whether outgoing port 25 is blocked."),
    },
}


@click.group(cls=LazyGroup, sections=_SECTIONS)
def check() -> None:
    """Test a domain, a mail server, a message, a login or port 25, and say what to fix.

    \b
      pillarbox check domain example.org
      pillarbox check smtp smtp.example.org:587
      pillarbox check message mail.eml
      pillarbox check login smtp.example.org -u ann@example.org
      pillarbox check port25
    """  # noqa: D301 - click's mark: do not wrap
