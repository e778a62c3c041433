"""The pytest plugin: the ``mail`` fixture and its companions.

pytest loads this module in every run in an environment with pillarbox installed, so it imports
nothing of pillarbox until a test asks for mail.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pillarbox.testing.mailbox import Mailbox


@pytest.fixture(scope="session")
def mail_options() -> Mapping[str, Any]:
    """Options of the mail server: fields of the sandbox's settings. To be overridden."""
    return {}


@pytest.fixture(scope="session")
def mail_server(mail_options: Mapping[str, Any]) -> Iterator[Mailbox]:
    """The mail server of this process, on ports of its own, for fixtures of a wider scope."""
    from pillarbox.testing.mailbox import Mailbox  # noqa: PLC0415
    from pillarbox.testing.server import MailServer  # noqa: PLC0415

    server = MailServer(mail_options)
    server.start()
    try:
        yield Mailbox(server)
    finally:
        server.stop()


@pytest.fixture
def mail(mail_server: Mailbox) -> Mailbox:
    """A mail server that is empty and has no failures set."""
    mail_server.clear()
    mail_server.stop_failing()
    return mail_server


@pytest.fixture
def mail_environment(mail: Mailbox, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """``EMAIL_URL``, ``SMTP_HOST`` and ``SMTP_PORT`` of the mail server, set for the test."""
    for name, value in mail.environment.items():
        monkeypatch.setenv(name, value)
    return mail.environment


@pytest.fixture
def django_mail(mail: Mailbox) -> Iterator[Mailbox]:
    """``mail``, with Django's settings for sending mail pointing at it."""
    from pillarbox.testing.django import sending_to  # noqa: PLC0415

    with sending_to(mail):
        yield mail
