"""Mail for ``unittest``."""

from __future__ import annotations

import unittest

from pillarbox.testing.mailbox import Mailbox, shared_mailbox

__all__ = ["MailTestCase"]


class MailTestCase(unittest.TestCase):
    """A test case with a mail server, ``self.mail``, that is empty and has no failures set.

    One server is started for all test cases of the process.
    """

    mail: Mailbox

    def setUp(self) -> None:
        """Start with an empty mailbox."""
        super().setUp()
        self.mail = shared_mailbox()
        self.mail.clear()
        self.mail.stop_failing()
