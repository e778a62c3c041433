"""Who is told about new mail: configured receivers, and those of projects."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Final

from pillarbox.config.endpoints import is_loopback, parse_endpoint
from pillarbox.config.settings import SandboxSettings, SandboxWebhookSettings
from pillarbox.errors import PermanentError, PillarboxError
from pillarbox.net.guarded import AddressRefused, read_target
from pillarbox.sandbox.caught_mail import CaughtMail
from pillarbox.sandbox.projects import Project
from pillarbox.sandbox.webhook_call import Endpoint
from pillarbox.sandbox.webhook_signature import SecretMalformed, make_secret, read_secret
from pillarbox.search.query import Query

__all__ = ["WebhookEndpoints", "check_webhooks", "is_local"]

_SECRETS: Final = "webhook-secrets"  # kept in the inbox's settings, by the receiver's name
_ANY_PORT: Final = range(1, 65_536)


class WebhookEndpoints:
    """The receivers, with secrets for those that were given none."""

    def __init__(self, sandbox: CaughtMail, settings: Mapping[str, SandboxWebhookSettings]) -> None:
        """Read the configuration.

        Raises:
            PermanentError: A secret, an URL or a search cannot be used.
        """
        self._sandbox = sandbox
        self._settings = settings
        self._secrets: dict[str, str] = {}
        self._all: tuple[Endpoint, ...] | None = None
        self._writing: set[asyncio.Task[None]] = set()
        # Who can reach the page of a sandbox that listens on loopback is on this machine anyway.
        self._is_local = is_local(sandbox.settings)
        check_webhooks(sandbox, settings)
        sandbox.projects.on_change(self._forget)

    async def load(self) -> None:
        """Bring in the secrets that were made up before.

        Raises:
            StoreUnavailable: The inbox fails.
        """
        kept = await self._sandbox.inbox.settings(_SECRETS)
        self._secrets = {name: value.decode() for name, value in kept.items()}
        self._forget()

    def use(self, settings: Mapping[str, SandboxWebhookSettings]) -> None:
        """Take the receivers of another configuration, which ``check_webhooks`` has seen."""
        self._settings = settings
        self._forget()

    def all(self) -> tuple[Endpoint, ...]:
        """Return the receivers of the configuration, then those of projects."""
        if self._all is None:
            self._all = (
                *(self._configured(name, each) for name, each in self._settings.items()),
                *(
                    self._of_project(project)
                    for project in self._sandbox.projects.all()
                    if project.webhook
                ),
            )
        return self._all

    def query(self, endpoint: Endpoint) -> Query | None:
        """Return which mail a receiver is told of; None: all of its project."""
        return self._sandbox.query(endpoint.search) if endpoint.search else None

    def _forget(self) -> None:
        self._all = None

    def _configured(self, name: str, settings: SandboxWebhookSettings) -> Endpoint:
        secret = settings.secret or self._made_up(name)
        given = (secret, settings.previous_secret) if settings.previous_secret else (secret,)
        return Endpoint(
            name=name,
            url=settings.url,
            keys=tuple(map(read_secret, given)),
            secret="" if settings.secret else secret,
            project=settings.project,
            search=settings.search,
            timeout=settings.timeout,
            authorities=settings.tls_ca,
        )

    def _of_project(self, project: Project) -> Endpoint:
        name = f"project {project.name}"
        secret = project.webhook_secret or self._made_up(name)
        keys: tuple[bytes, ...] = ()
        with contextlib.suppress(SecretMalformed):  # ``call`` says so, in the log
            keys = (read_secret(secret),)
        return Endpoint(
            name=name,
            url=project.webhook,
            keys=keys,
            secret="" if project.webhook_secret else secret,
            project=project.name,
            is_configured=project.is_configured,
            may_be_private=project.is_configured or self._is_local,
        )

    def _made_up(self, name: str) -> str:
        if name not in self._secrets:
            self._secrets[name] = make_secret()
            task = asyncio.get_running_loop().create_task(self._write(name))
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)
        return self._secrets[name]

    async def _write(self, name: str) -> None:
        try:
            await self._sandbox.inbox.put_setting(_SECRETS, name, self._secrets[name].encode())
        except PillarboxError:
            return  # it holds until the end of this run


def check_webhooks(sandbox: CaughtMail, settings: Mapping[str, SandboxWebhookSettings]) -> None:
    """Look whether the receivers of a configuration can be used.

    Raises:
        PermanentError: A secret, an URL or a search cannot be used.
    """
    for name, each in settings.items():
        _check(name, each)
        sandbox.query(each.search)


def _check(name: str, settings: SandboxWebhookSettings) -> None:
    where = f"sandbox_webhook.{name}"
    try:
        read_target(settings.url, _ANY_PORT, may_be_inside=True)
        for secret in (settings.secret, settings.previous_secret):
            if secret:
                read_secret(secret)
    except (AddressRefused, SecretMalformed) as error:
        raise PermanentError(f"{where}: {error}") from error


def is_local(settings: SandboxSettings) -> bool:
    """Tell whether only people of this machine reach the page."""
    if settings.trusted_proxies:  # who comes through one may be anywhere
        return False
    endpoints = map(parse_endpoint, settings.http)
    return all(endpoint is not None and is_loopback(endpoint.host) for endpoint in endpoints)
