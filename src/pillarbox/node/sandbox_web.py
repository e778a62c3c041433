"""The sandbox's one HTTP application: its own API, those of Mailpit and MailHog, its pages."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from pillarbox import __version__
from pillarbox.api import mailhog, mailpit, sandbox as native
from pillarbox.config.settings import SandboxSettings
from pillarbox.console import sandbox as console
from pillarbox.errors import PermanentError
from pillarbox.policy.networks import Network, parse_network
from pillarbox.sandbox.service import Sandbox
from pillarbox.sandbox.users import read_users, read_users_file
from pillarbox.web.application import make_application
from pillarbox.web.pages import problem_page
from pillarbox.web.server import WebServer
from pillarbox.web.settings import WebSettings

__all__ = ["make_web_server", "web_settings"]

_DESCRIPTION: Final = "Caught mail: list it, search it, wait for it, judge it, fail on purpose."


def make_web_server(
    sandbox: Sandbox,
    sockets: Sequence[socket.socket],
    on_defect: Callable[[str, BaseException], None],
) -> WebServer:
    """Return the server for pages and API, not started yet.

    Args:
        sandbox: The sandbox to serve.
        sockets: The bound sockets.
        on_defect: Called with unexpected errors.

    Raises:
        PermanentError: A list of users cannot be used.
    """
    application = make_application(
        routers=[
            *native.routers(sandbox),
            *mailpit.routers(sandbox),
            *mailhog.routers(sandbox),
            *console.routers(sandbox),
        ],
        on_defect=partial(on_defect, "sandbox: HTTP"),
        settings=web_settings(sandbox.settings),
        renderers={"/": problem_page, **mailpit.RENDERERS, **mailhog.RENDERERS},
        description=_DESCRIPTION,
    )
    return WebServer(application, sockets)


def web_settings(settings: SandboxSettings) -> WebSettings:
    """Return the settings of the web application.

    Raises:
        PermanentError: A list of users, or of networks, cannot be used.
    """
    users = read_users(settings.http_users, "sandbox.http_users")
    if settings.http_users_file is not None:
        users |= read_users_file(settings.http_users_file, "http_users_file")
    webroot = settings.webroot.strip("/")
    return WebSettings(
        webroot=f"/{webroot}" if webroot else "",
        hosts=frozenset({socket.gethostname().lower(), *map(str.lower, settings.allowed_hosts)}),
        origins=frozenset(each.rstrip("/") for each in settings.allowed_origins),
        trusted_networks=_networks(settings.trusted_proxies),
        users=users,
        tokens=frozenset({settings.http_token} - {""}),
        title=f"pillarbox sandbox {settings.label}".strip(),
        version=__version__,
    )


def _networks(texts: Sequence[str]) -> tuple[Network, ...]:
    networks = []
    for text in texts:
        network = parse_network(text)
        if network is None:
            raise PermanentError(
                f"sandbox.trusted_proxies: {text!r} is neither an address nor a network such as "
                "10.0.0.0/8"
            )
        networks.append(network)
    return tuple(networks)
