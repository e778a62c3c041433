"""A running node takes a new configuration over as a whole, or not at all, and says which keys."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
import trustme

from pillarbox.config.loader import load
from pillarbox.errors import PermanentError
from pillarbox.events.types import ConfigurationReloaded, Event
from pillarbox.node.node import Node
from pillarbox.node.steering import Steering, make_control

BASE: Final = """
[node]
hostname = "mx.local.test"
directory = "{folder}/node"
[store]
url = "memory:"
[listener.mx]
kind = "mx"
bind = ["127.0.0.1:0"]
[domain."local.test"]
recipients = ["ann"]
"""


class Steered:
    """A node in this loop, and the file that it reads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "pillarbox.toml"
        self.events: list[Event] = []
        self.write("")

    def write(self, more: str, base: str = BASE) -> None:
        """Write the configuration anew."""
        self.path.write_text(base.format(folder=self.folder) + more)

    async def start(self, *, log: bool = False) -> Node:
        """Start it; with ``log`` it writes the log that is configured."""
        self.node = Node(
            load(self.path, {}).settings,
            reload=lambda: load(self.path, {}).settings,
            log=None if log else lambda event, _: self.events.append(event),
            control=make_control,
        )
        await self.node.start()
        return self.node

    async def reload(self, more: str, base: str = BASE) -> list[str]:
        """Write, reload, and return what changed."""
        self.write(more, base)
        return list(await Steering(self.node).reload())


def steered(folder: Path, *, log: str = "") -> Callable[[Callable], None]:
    """Return a decorator that runs an async test against a started node."""

    def run(test: Callable) -> None:
        async def main() -> None:
            rig = Steered(folder)
            rig.write(log)
            node = await rig.start(log=bool(log))
            try:
                await test(rig, node)
            finally:
                await node.stop("over")

        asyncio.run(main())

    return run


def test_keys_are_named_with_what_becomes_of_them(tmp_path: Path) -> None:
    """What is in force at once is told apart from what takes a restart."""

    @steered(tmp_path)
    async def _(rig: Steered, node: Node) -> None:
        changed = await rig.reload(
            "[queue]\nlifetime = '3 d'\n[auth]\nkey = 'a-key-of-32-octets-or-more-for-all-nodes'\n"
            "[route.backup]\nkind = 'discard'\nrecipients = ['*']\n"
        )
        assert changed == [
            "auth.key: takes a restart",
            "queue.lifetime: in force",
            "route.backup: in force",
        ]
        assert not node.settings.auth.key
        assert "a-key" not in str(rig.events[-1])
        assert (await rig.reload("[queue]\nlifetime = '3 d'\n")) == ["route.backup: in force"]


def test_rules_stay_when_certificates_are_read_again(tmp_path: Path) -> None:
    """A relay rule that was taken out does not come back with the next certificate."""
    rule = "[rule.backup]\naction = 'allow'\nrecipients = ['backup.test']\n"

    @steered(tmp_path)
    async def _(rig: Steered, node: Node) -> None:
        assert await rig.reload(rule) == ["rule.backup: in force"]
        assert await rig.reload("") == ["rule.backup: in force"]
        node._read_certificates()
        assert not node.receiver._settings.rule


def test_a_reload_that_fails_changes_nothing(tmp_path: Path) -> None:
    """An address in use, the last thing to be found out, leaves every part as it was."""

    @steered(tmp_path)
    async def _(rig: Steered, node: Node) -> None:
        parts = (node.judging, node.reporting, node.authenticity, node.keys, node.envelope_of)
        rates = node.limiting._rates
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(PermanentError, match="ss -ltnp"):
                await rig.reload(
                    f"[listener.b]\nkind = 'mx'\nbind = ['127.0.0.1:{port}']\n"
                    "[srs]\nlifetime = '9 d'\n[reports]\ntls = true\n[verify]\nbimi = true\n"
                    "[rate.all]\nmessages = ['5 per hour']\nsubject = 'all'\n"
                )
        after = (node.judging, node.reporting, node.authenticity, node.keys, node.envelope_of)
        assert after == parts
        assert node.limiting._rates is rates
        assert node.settings.srs.lifetime != 9 * 86_400
        (told,) = [event for event in rig.events if isinstance(event, ConfigurationReloaded)]
        assert str(port) in told.error


def test_reports_begin_and_end(tmp_path: Path) -> None:
    """[reports] is in force without a restart: what is counted, and who sends it."""

    @steered(tmp_path)
    async def _(rig: Steered, node: Node) -> None:
        assert node.reporting.observer is None
        assert "reports.tls: in force" in await rig.reload("[reports]\ntls = true\ndmarc = true\n")
        assert node.authenticity.observe is not None
        assert node._hearers
        assert node.reporting._task is not None
        running = node.reporting
        await rig.reload("[reports]\ntls = true\ndmarc = true\n[queue]\nlifetime = '3 d'\n")
        assert node.reporting is running
        await rig.reload("")
        assert running._task is None
        assert not node._hearers


def test_an_address_can_change_its_listener(tmp_path: Path) -> None:
    """A listener that is renamed, or gets one more address, keeps the socket that it has."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    one = BASE.replace("127.0.0.1:0", f"127.0.0.1:{port}")
    more = one.replace("listener.mx", "listener.inbound").replace(
        "bind = [", 'bind = ["127.0.0.1:0", '
    )

    @steered(tmp_path)
    async def _(rig: Steered, node: Node) -> None:
        await rig.reload("", one)
        await rig.reload("", more)
        assert ("127.0.0.1", port) in node.receiver.addresses["inbound"]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert (await reader.readline()).startswith(b"220 ")
        writer.close()


def test_the_log_goes_where_it_is_configured_to(tmp_path: Path) -> None:
    """A new file, a new form; a file that cannot be opened leaves the old one in use."""
    first, second = tmp_path / "first", tmp_path / "second"

    @steered(tmp_path, log=f"[log]\nfile = '{first}'\n")
    async def _(rig: Steered, _node: Node) -> None:
        with pytest.raises(PermanentError, match="cannot be opened"):
            await rig.reload(f"[log]\nfile = '{tmp_path}/missing/log'\n")
        await rig.reload(f"[log]\nfile = '{second}'\nformat = 'text'\n")

    assert "cannot be opened" in first.read_text()
    assert " node.stopped " in second.read_text()


def test_policies_are_shown_from_a_reload_on(tmp_path: Path) -> None:
    """The first [sts_domain] opens the port for it, the last one closes it."""
    leaf = trustme.CA().issue_cert("mta-sts.local.test", "mx.local.test")
    leaf.cert_chain_pems[0].write_to_path(tmp_path / "leaf.pem")
    (tmp_path / "leaf.key").touch(mode=0o600)
    leaf.private_key_pem.write_to_path(tmp_path / "leaf.key")
    certificate = (
        f"[certificate.web]\ncertificate = '{tmp_path}/leaf.pem'\nkey = '{tmp_path}/leaf.key'\n"
        "[https]\nbind = ['127.0.0.1:0']\n"
    )

    @steered(tmp_path)
    async def _(rig: Steered, node: Node) -> None:
        await rig.reload(certificate)
        assert not node.certificates._policies._sockets
        await rig.reload(certificate + "[sts_domain.'local.test']\n")
        (sock,) = node.certificates._policies._sockets
        address = sock.getsockname()
        socket.create_connection(address).close()
        await rig.reload(certificate)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)


def test_name_servers_are_asked_by_the_new_settings(tmp_path: Path) -> None:
    """[dns] is in force at once, and what the old servers said is forgotten."""

    @steered(tmp_path)
    async def _(rig: Steered, node: Node) -> None:
        resolver = node.resolver._resolver
        assert await rig.reload("[dns]\nservers = ['127.0.0.1:5']\n") == ["dns.servers: in force"]
        assert node.resolver._resolver is not resolver


def test_certificates_are_fetched_from_a_reload_on(tmp_path: Path) -> None:
    """A certificate that is new in the configuration is asked for without a restart."""
    wanted = (
        "[certificate.web]\nnames = ['mx.local.test']\n"
        "[acme]\ndirectory = 'https://127.0.0.1:1/'\nhttp_bind = ['127.0.0.1:0']\n"
        "agree = true\n"
    )

    @steered(tmp_path)
    async def _(rig: Steered, node: Node) -> None:
        assert node.certificates._renewing is None
        await rig.reload(wanted)
        assert node.certificates._renewing is not None
        (server,) = node.certificates._server._servers
        address = server.sockets[0].getsockname()
        await rig.reload("")
        assert node.certificates._renewing is None
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)
