"""Mail for the tests of Django projects, whose own test runner would not send it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.test.utils import override_settings  # type: ignore[import-untyped]

from pillarbox.testing.case import MailTestCase
from pillarbox.testing.mailbox import Mailbox

__all__ = ["MailMixin", "email_settings", "sending_to"]


def email_settings(mail: Mailbox) -> dict[str, Any]:
    """Return the settings for Django to send to the test mail server."""
    return {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": mail.host,
        "EMAIL_PORT": mail.port,
        "EMAIL_HOST_USER": "",
        "EMAIL_HOST_PASSWORD": "",
        "EMAIL_USE_TLS": False,
        "EMAIL_USE_SSL": False,
        "EMAIL_TIMEOUT": 10,
    }


@contextmanager
def sending_to(mail: Mailbox) -> Iterator[None]:
    """Let Django send to a mail server within the block."""
    with override_settings(**email_settings(mail)):
        yield


class MailMixin(MailTestCase):
    """Before a test case of Django: the project sends by SMTP to ``self.mail``.

    Otherwise Django's runner would put messages into ``mail.outbox``.
    """

    def setUp(self) -> None:
        """Start with an empty mailbox, and send there."""
        super().setUp()
        self.enterContext(sending_to(self.mail))
