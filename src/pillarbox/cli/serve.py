"""``pillarbox serve``: runs the node until it is told to stop."""

from __future__ import annotations

import os
import socket
from typing import Final

import click

from pillarbox.cli.context import Context, pass_context
from pillarbox.config.check import check
from pillarbox.config.error import ConfigError
from pillarbox.config.loader import Loaded
from pillarbox.findings import Finding, Level

__all__ = ["notify_manager", "serve"]


_NOTHING: Final = Finding(
    level=Level.ERROR,
    code="PB-CONFIG-009",
    what="There is no configuration.",
    why="A node without a listener takes no mail.",
    fix="Write one with `pillarbox init`, or name it with --config; without it, pillarbox.toml "
    "here and /etc/pillarbox/pillarbox.toml are looked for.",
)


@click.command()
@pass_context
def serve(context: Context) -> None:
    """Run the node. SIGTERM stops it, SIGHUP reloads configuration and certificates."""
    # Imported here, so that `--help` does not wait for it.
    from pillarbox.node.process import run_node  # noqa: PLC0415

    def read() -> Loaded:
        """Read and check the configuration, at the start and at every SIGHUP."""
        loaded = context.load()
        if loaded.path is None and not loaded.settings.listener:
            raise ConfigError([_NOTHING])
        findings = check(loaded)
        errors = [finding for finding in findings if finding.level is Level.ERROR]
        if errors:
            raise ConfigError(errors)
        context.out.findings(findings, as_talk=True)
        return loaded

    with context.errors():
        run_node(read(), reload=read, notify=notify_manager)


def notify_manager(state: str) -> None:
    """Tell systemd how the service is: ``READY=1``, ``RELOADING=1``, ``STOPPING=1``.

    Without systemd (no ``$NOTIFY_SOCKET``) nothing happens; nor does it when systemd does
    not listen, because a mail server must not stop for that.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    if address.startswith("@"):  # an abstract socket
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.sendto(state.encode(), address)
    except OSError:
        return
