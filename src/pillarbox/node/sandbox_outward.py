"""All ways in which mail, or news of it, leaves a sandbox.

Webhooks announce new mail, POP3 hands it out, the relay releases it to real people, and
``bounce-later@`` returns it to its sender.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping, Sequence
from socket import socket

from pillarbox.config.settings import SandboxSettings, Settings
from pillarbox.sandbox.late_bounces import LateBounces
from pillarbox.sandbox.pop3.server import Pop3Server
from pillarbox.sandbox.release import build_releaser
from pillarbox.sandbox.service import Sandbox
from pillarbox.sandbox.users import read_users, read_users_file
from pillarbox.sandbox.webhooks import Webhooks

__all__ = ["SandboxOutward", "read_pop3_users"]


class SandboxOutward:
    """The ways out of one sandbox."""

    def __init__(
        self,
        sandbox: Sandbox,
        settings: Settings,
        on_defect: Callable[[str, BaseException], None],
    ) -> None:
        """Prepare them, and register them with the sandbox.

        Raises:
            PermanentError: Something in the configuration cannot be used.
        """
        self._sandbox = sandbox
        self._settings = settings.sandbox
        self._on_defect = on_defect
        self._pop3: Pop3Server | None = None
        self._pop3_users = read_pop3_users(self._settings)
        self.bounces = LateBounces(sandbox)
        self._webhooks = Webhooks(sandbox, settings.sandbox_webhook, on_defect=on_defect)
        self._releaser = build_releaser(sandbox, settings.sandbox_release, settings.sandbox_forward)
        sandbox.webhooks = self._webhooks
        sandbox.releaser = self._releaser

    def use(self, settings: Settings, pop3_users: Mapping[str, str]) -> None:
        """Use the webhook and POP3 settings of another configuration."""
        self._settings = settings.sandbox
        self._pop3_users = dict(pop3_users)
        self._webhooks.use(settings.sandbox_webhook)
        if self._pop3 is not None:
            self._pop3.use(pop3_users, may_delete=not settings.sandbox.pop3_read_only)

    async def start(self, pop3: Sequence[socket], tls: Callable[[], ssl.SSLContext] | None) -> None:
        """Open them.

        Args:
            pop3: The bound sockets for POP3.
            tls: Returns the context for STLS; None: it is not offered.
        """
        await self._webhooks.start()
        if self._releaser is not None:
            self._releaser.start()
        if pop3:
            self._pop3 = Pop3Server(
                self._sandbox,
                pop3,
                tls=tls,
                users=self._pop3_users,
                may_delete=not self._settings.pop3_read_only,
                on_defect=self._on_defect,
            )
            await self._pop3.start()

    async def stop(self) -> None:
        """Close them. Safe to call twice."""
        if self._pop3 is not None:
            await self._pop3.stop()
        await self._webhooks.stop()
        if self._releaser is not None:
            await self._releaser.stop()
        await self.bounces.stop()


def read_pop3_users(settings: SandboxSettings) -> dict[str, str]:
    """Return the passwords, or their hashes, of the POP3 users.

    Raises:
        PermanentError: A list of users cannot be used.
    """
    users = read_users(settings.pop3_users, "sandbox.pop3_users")
    if settings.pop3_users_file is not None:
        users |= read_users_file(settings.pop3_users_file, "pop3_users_file")
    return users
