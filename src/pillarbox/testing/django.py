"""Mail for the tests of Django projects, whose own runner would keep it from being sent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.test.utils import override_settings  # type: ignore[import-untyped]

from pillarbox.testing.case import MailTestCase
from pillarbox.testing.mailbox import Mailbox

__all__ = ["MailMixin", "email_settings", "sending_to"]


def email_settings(mail: Mailbox) -> dict[str, Any]:
    """Return the settings by which Django sends to a mail server of tests."""
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
    """Let Django send to a mail server while the block lasts."""
    with override_settings(**email_settings(mail)):
        yield


class MailMixin(MailTestCase):
    """Before a test case of Django: the project sends by SMTP to ``self.mail``.

    Otherwise Django's runner would put what is sent into ``mail.outbox``.
    """

    def setUp(self) -> None:
        """Begin with an empty mailbox, and send there."""
        super().setUp()
        self.enterContext(sending_to(self.mail))
