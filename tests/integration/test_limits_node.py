"""Limits of whole nodes: kept over a restart, shared through a database, seen by operators."""

from __future__ import annotations

import json
import socket
import time
from base64 import b64encode
from pathlib import Path

from click.testing import CliRunner, Result
from tests.postgres import shared_server
from tests.receiving import PASSWORD, Wire, user_file
from tests.running_node import running_node

from pillarbox.cli.main import cli
from pillarbox.events.types import ClientBanned, Event, RecipientDelivered
from pillarbox.node.node import Node


def configuration(folder: Path, more: str, *, name: str = "main", shard: int = 0) -> Path:
    """Write the configuration of a node on free ports of loopback."""
    users = user_file(folder, ann=PASSWORD, bob=PASSWORD)
    directory = folder / name
    directory.mkdir(exist_ok=True)
    path = folder / f"{name}.toml"
    path.write_text(
        f"[node]\nname='{name}'\nshard={shard}\nhostname='mail.test'\ndirectory='{directory}'\n"
        f"[auth]\nfile='{users}'\nkey='the same key on all nodes'\n"
        "[listener.in]\nkind='submission'\nbind=['127.0.0.1:0']\nauth_without_tls=true\n"
        "[owner.all]\nsenders=['*']\ncredentials=['*']\n"
        "[route.out]\nkind='discard'\nrecipients=['*']\n"
        f"{more}"
    )
    return path


def wire(node: Node) -> Wire:
    return Wire(socket.create_connection(node.receiver.addresses["in"][0], timeout=10))


def log_in(node: Node, user: str, password: str = PASSWORD) -> Wire:
    client = wire(node)
    client.hello()
    client.ask("AUTH PLAIN " + b64encode(f"\0{user}\0{password}".encode()).decode())
    return client


def begin(client: Wire, count: int) -> list[str]:
    """Begin messages, and return the codes of the replies to MAIL."""
    codes = []
    for _ in range(count):
        codes.append(client.ask("MAIL FROM:<ann@local.test>")[:3])
        client.ask("RSET")
    client.sock.close()
    return codes


def run(path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["-c", str(path), *arguments])


def test_a_restart_keeps_what_was_used_today(tmp_path: Path) -> None:
    """A credential that has used its day goes on waiting after a restart."""
    rate = "[rate.daily]\nsubject='credential'\nmessages=['3/day']\n"
    path = configuration(tmp_path, rate)
    with running_node(path, []) as node:
        assert begin(log_in(node, "ann"), 2) == ["250"] * 2
    with running_node(path, []) as node:
        assert begin(log_in(node, "ann"), 2) == ["250", "451"]
        assert begin(log_in(node, "bob"), 1) == ["250"]


def test_two_nodes_on_a_database_share_a_rate(tmp_path: Path) -> None:
    """What is used at one counts at the other within seconds."""
    url = shared_server().database()
    more = f"[store]\nurl='{url}'\n[rate.hourly]\nsubject='credential'\nmessages=['10/h']\n"
    paths = [configuration(tmp_path, more, name=f"n{n}", shard=n) for n in range(2)]
    with running_node(paths[0], []) as one, running_node(paths[1], []) as two:
        assert begin(log_in(one, "ann"), 8) == ["250"] * 8
        taken = 0
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            (code,) = begin(log_in(two, "ann"), 1)
            if code == "451":
                break
            taken += 1
            time.sleep(0.4)
        # Two were left for the second node, and one interval of overshoot.
        assert code == "451"
        assert taken <= 6


def test_mail_that_waits_is_delivered_in_its_turn(tmp_path: Path) -> None:
    """The queue sends what was too much as soon as the rate lets it."""
    rate = "[rate.slow]\nsubject='credential'\nmessages=['2/s']\nover='queue'\n"
    events: list[Event] = []
    with running_node(configuration(tmp_path, rate), events) as node:
        client = log_in(node, "ann")
        for _ in range(4):
            client.send("MAIL FROM:<ann@local.test>", "RCPT TO:<x@elsewhere.test>", "DATA")
            assert client.codes(3) == ["250", "250", "354"]
            assert client.ask("From: <ann@local.test>\r\n\r\nHi\r\n.").startswith("250")
        client.sock.close()
        end = time.monotonic() + 30
        while True:
            delivered = [event for event in events if isinstance(event, RecipientDelivered)]
            if len(delivered) == 4:
                break
            assert time.monotonic() < end
            time.sleep(0.02)
    began = min(event.at - event.delay for event in delivered)
    waited = sorted(event.at - began for event in delivered)
    assert waited[2] >= 0.4
    assert waited[3] >= 0.9


def test_operators_see_and_lift_bans(tmp_path: Path) -> None:
    """``auth bans`` lists them, ``auth unban`` lifts them; a restart keeps them."""
    path = configuration(tmp_path, "[guessing]\nban_after=3\nfirst_delay=0\n")
    events: list[Event] = []
    with running_node(path, events) as node:
        assert "Nobody is banned" in run(path, "auth", "bans").output
        for number in range(3):
            log_in(node, f"user{number}", "wrong").sock.close()
        assert [type(event) for event in events].count(ClientBanned) == 1
        shown = run(path, "auth", "bans")
        assert shown.exit_code == 0
        assert "127.0.0.1" in shown.output
    with running_node(path, events) as node:
        banned = wire(node)
        assert banned.reply().startswith("421 4.7.0")
        banned.sock.close()
        (row,) = map(json.loads, run(path, "auth", "bans", "--json").output.splitlines())
        assert (row["client"], row["failures"], row["times"]) == ("127.0.0.1", 3, 1)
        assert run(path, "auth", "unban", "192.0.2.1").exit_code == 1
        assert run(path, "auth", "unban", "nonsense").exit_code == 1
        assert run(path, "auth", "unban", "127.0.0.1").output == "Lifted 1 ban.\n"
        assert begin(log_in(node, "ann"), 1) == ["250"]
        assert run(path, "auth", "unban", "all").exit_code == 1


def test_a_spray_is_a_finding(tmp_path: Path) -> None:
    """``auth bans`` and ``status`` tell of it, and the exit status is 1."""
    path = configuration(tmp_path, "[guessing]\nspray_accounts=3\nspray_addresses=2\n")
    with running_node(path, []) as node:
        now, guesses = time.time(), node.receiver.guesses
        for number in range(4):
            guesses.failed(f"203.0.113.{number}", f"user{number}", now)
        shown = run(path, "auth", "bans")
        assert shown.exit_code == 1
        assert "PB-AUTH-001" in shown.output
        assert "passwords on 3 accounts from 3 clients" in shown.output
        assert "PB-AUTH-001" in run(path, "status").output


def test_screening_is_switched_in_the_configuration(tmp_path: Path) -> None:
    """An mx listener asks the lists that are configured, and greylists if it is told to."""
    zone = tmp_path / "zone"
    zone.write_text("$TTL 60\n$ORIGIN .\n1.0.0.127.bad.test. A 127.0.0.2\n")
    mx = (
        "[listener.mx]\nkind='mx'\nbind=['127.0.0.1:0']\n"
        "[domain.'local.test']\nrecipients=['ann']\nroute='out'\n"
        f"[dns]\nzone_file='{zone}'\n"
    )
    path = configuration(tmp_path, mx + "[dns_list.'bad.test']\naction='refuse'\n")
    with running_node(path, []) as node:
        client = Wire(socket.create_connection(node.receiver.addresses["mx"][0], timeout=10))
        client.hello()
        reply = client.ask("MAIL FROM:<eve@outside.test>")
        client.sock.close()
        assert reply == "550 5.7.1 [127.0.0.1] is listed by bad.test"
    path = configuration(tmp_path, mx + "[greylist]\nenabled=true\n")
    with running_node(path, []) as node:
        client = Wire(socket.create_connection(node.receiver.addresses["mx"][0], timeout=10))
        client.hello()
        client.ask("MAIL FROM:<eve@outside.test>")
        reply = client.ask("RCPT TO:<ann@local.test>")
        client.sock.close()
        assert reply.startswith("451 4.7.1 Greylisted, try again in ")
