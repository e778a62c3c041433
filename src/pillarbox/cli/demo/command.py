"""``pillarbox demo``: a sandbox, and a node on loopback that delivers to a small internet.

Nothing leaves the machine: the sandbox keeps what it catches, and every domain's mail that the
node delivers goes to a mail server of the lab, in this process, which behaves as the
recipient's local part says.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import smtplib
from pathlib import Path
from typing import Final

import click
import uvloop
from rich.text import Text

from pillarbox.cli.access import reach_running
from pillarbox.cli.context import Context, pass_context
from pillarbox.cli.demo.mail import demonstration_mail
from pillarbox.cli.log import tell_story
from pillarbox.cli.output import Out
from pillarbox.cli.sandbox.screen import page_url
from pillarbox.clock import SystemClock
from pillarbox.config.loader import Loaded, load
from pillarbox.errors import PermanentError
from pillarbox.lab.certificate import self_signed_context
from pillarbox.lab.servers import LabServer
from pillarbox.lab.world import Lab
from pillarbox.node.node import Node
from pillarbox.node.process import run_until_signal
from pillarbox.node.sandbox import SandboxNode
from pillarbox.node.steering import make_control
from pillarbox.policy.queue import FINAL_STATES
from pillarbox.store.ids import parse_id
from pillarbox.store.port import Store

__all__ = ["demo"]

_CONFIGURATION: Final = """\
# Written by `pillarbox demo`: a node on loopback that delivers into a lab, and a sandbox.
[node]
hostname = "demo.pillarbox.test"
directory = "{directory}"

[log]
file = "{directory}/log"
format = "text"

[listener.submission]
kind = "submission"
bind = ["127.0.0.1:{port}"]
trusted_networks = ["127.0.0.0/8"]

[route.lab]
kind = "mx"
recipients = ["*"]
allow_private = true

[queue]
first_retry = "5 s"

[sandbox]
smtp = ["localhost:{sandbox_port}"]
http = ["localhost:{http_port}"]
pop3 = []
label = "demo"
"""

# Every name in the world has the same mail exchanger.
_ZONE: Final = """\
$ORIGIN .
$TTL 300
*            MX 10 mx.lab.test.
mx.lab.test. A     127.0.0.1
"""

_SENDER: Final = "ann@example.com"
_RECIPIENT: Final = "bob@example.org"
_MESSAGE: Final = f"""\
From: Ann <{_SENDER}>
To: Bob <{_RECIPIENT}>
Subject: The first message

It came by SMTP, was on disk before its sender got 250, and was delivered by SMTP.
"""
_PATIENCE: Final = 30.0  # seconds to wait for the delivery


@click.command()
@click.option("--port", type=int, default=2525, show_default=True, help="Port of the node; 0: any.")
@click.option(
    "--sandbox-port",
    type=int,
    default=1025,
    show_default=True,
    help="SMTP port of the sandbox; 0: any.",
)
@click.option(
    "--http-port",
    type=int,
    default=8025,
    show_default=True,
    help="HTTP port of the sandbox; 0: any.",
)
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("var/demo"),
    show_default=True,
    help="Directory of the store and the log.",
)
@click.option("--once", is_flag=True, help="Exit after the history instead of staying up.")
@pass_context
def demo(
    context: Context,
    port: int,
    sandbox_port: int,
    http_port: int,
    directory: Path,
    once: bool,  # noqa: FBT001 - click
) -> None:
    """Start the sandbox with sample mail, and a node that delivers one message.

    Nothing leaves the machine: the sandbox passes nothing on, and all mail of the node goes to
    a mail server of the lab, which does what the recipient's local part says (reject550@,
    greylist@, slow@, drop-after-dot@, ...).
    """
    with context.errors():
        path = _write_configuration(directory, port, sandbox_port, http_port)
        loaded = load(path, os.environ)
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(_demo(context.out, loaded, once=once))
        except PermanentError as error:
            if "Address already in use" in str(error) or "another program" in str(error):
                raise _PortTaken(str(error)) from None
            raise


class _PortTaken(PermanentError):  # noqa: N818 - reads as what it says
    """Another program listens there."""

    fix = (
        "Choose other ports, or any that are free: "
        "`pillarbox demo --port 0 --sandbox-port 0 --http-port 0`."
    )


def _write_configuration(directory: Path, port: int, sandbox_port: int, http_port: int) -> Path:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / "pillarbox.toml"
    text = _CONFIGURATION.format(
        directory=directory, port=port, sandbox_port=sandbox_port, http_port=http_port
    )
    path.write_text(text, encoding="utf-8")
    return path


async def _demo(out: Out, loaded: Loaded, *, once: bool) -> None:
    sandbox = SandboxNode(loaded.settings)
    await sandbox.start()
    try:
        await asyncio.to_thread(_fill, sandbox.addresses.smtp[0])
        _show_sandbox(out, sandbox)
        await _deliver(out, loaded, sandbox.addresses.smtp[0], once=once)
    finally:
        await sandbox.stop()


async def _deliver(out: Out, loaded: Loaded, catching: str, *, once: bool) -> None:
    server = LabServer("mx.lab.test", tls=self_signed_context("mx.lab.test"))
    async with Lab(zone=_ZONE, servers=[server]) as lab:
        node = Node(loaded.settings, resolver=lab.resolver, dialer=lab.dialer, control=make_control)
        await node.start()
        try:
            host, port = node.receiver.addresses["submission"][0]
            out.line(
                Text.assemble(
                    ("A node delivers", "strong"),
                    " mail sent to ",
                    (f"{host}:{port}", "id"),
                    ".",
                )
            )
            out.line("One message, submitted by SMTP:\n")
            reply = await asyncio.to_thread(_send, host, port)
            out.line(Text.assemble(("  the server replied  ", "quiet"), reply, "\n"))
            message = reply.rsplit(" ", 1)[-1]
            await _wait_until_done(node.store, message)
            await asyncio.to_thread(_show_story, out, loaded, message)
            if not once:
                _show_ways(out, host, port, loaded, catching)
                await run_until_signal(node)
        finally:
            await node.stop("the demo is over")


async def _wait_until_done(store: Store, message: str) -> None:
    """Wait until every recipient of a message has been tried, for at most ``_PATIENCE``."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE):
            while (kept := await store.message(parse_id(message))) is not None:
                states = {recipient.state for recipient in kept.recipients}
                if states <= FINAL_STATES:
                    return
                await asyncio.sleep(0.02)


def _fill(address: str) -> None:
    """Send what the sandbox's first page shows."""
    host, _, port = address.rpartition(":")
    with smtplib.SMTP(host, int(port), timeout=_PATIENCE) as client:
        for message in demonstration_mail(SystemClock().now()):
            client.send_message(message)


def _send(host: str, port: int) -> str:
    """Send the message with the standard library's client; return the reply to the final dot."""
    with smtplib.SMTP(host, port, local_hostname="client.example.com", timeout=_PATIENCE) as client:
        client.ehlo()
        client.mail(_SENDER)
        client.rcpt(_RECIPIENT)
        code, text = client.data(_MESSAGE)
        return f"{code} {text.decode()}"


def _show_story(out: Out, loaded: Loaded, message: str) -> None:
    out.line(Text.assemble(("  $ pillarbox log ", "quiet"), (message, "id"), "\n"))
    with reach_running(loaded) as access:
        tell_story(out, access, message)


def _show_sandbox(out: Out, sandbox: SandboxNode) -> None:
    addresses = sandbox.addresses
    page = page_url(addresses.http[0], sandbox.settings.sandbox)
    out.line(
        Text.assemble(
            ("The sandbox catches", "strong"), " mail sent to ", (addresses.smtp[0], "id"), "."
        )
    )
    out.line(Text.assemble("It has some already. Open  ", (page, "strong"), "\n"))


def _show_ways(out: Out, host: str, port: int, loaded: Loaded, catching: str) -> None:
    config = f"--config {loaded.path}"
    ways = (
        (
            "Catch a message, or have one refused on purpose",
            f"curl smtp://{catching} --mail-from {_SENDER} --mail-rcpt {_RECIPIENT} -T examples/hello.eml",
            f"swaks --server {catching} --from {_SENDER} --to 550@example.org",
        ),
        (
            "Deliver a message",
            f"curl smtp://{host}:{port} --mail-from {_SENDER} --mail-rcpt {_RECIPIENT} -T examples/hello.eml",
            f"swaks --server {host}:{port} --from {_SENDER} --to {_RECIPIENT}",
        ),
        (
            "See what goes wrong, and why",
            f"swaks --server {host}:{port} --from {_SENDER} --to reject550@example.org",
            f"swaks --server {host}:{port} --from {_SENDER} --to greylist@example.org",
        ),
        (
            "Look around",
            f".venv/bin/pillarbox {config} queue list",
            f".venv/bin/pillarbox {config} log {_RECIPIENT}",
            f"tail -f {loaded.settings.log.file}",
        ),
    )
    for title, *commands in ways:
        out.line(Text.assemble("\n", (title, "strong")))
        for command in commands:
            out.line(f"  {command}")
    out.line("\nBoth stay up until Ctrl-C.")
