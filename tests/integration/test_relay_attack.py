"""Every form in which a relay can be asked for, at every kind of listener of a real node."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.lab_thread import lab_server_in_thread
from tests.running_node import running_node

from pillarbox.cli.main import cli
from pillarbox.cli.relay.attack import Attack, Target, Wire, attack
from pillarbox.events.types import Event, MessageAccepted, RecipientRefused, SenderRefused
from pillarbox.lab.servers import LabServer
from pillarbox.node.node import Node
from pillarbox.policy.relay_forms import PROOF_USER, Scene, recipient_forms

SCENE = Scene(local="local.test", outside="third.test", host="mx.local.test", address="127.0.0.1")
STRANGER, TRUSTED, PROXY = "127.0.0.9", "127.0.0.1", "127.0.0.8"
KINDS = ("mx", "submission", "submissions")
CONFIGURATION = """
[node]
hostname = "mx.local.test"
directory = "{directory}"
[listener.mx]
kind = "mx"
bind = ["127.0.0.1:0"]
proxies = ["127.0.0.8"]
trusted_networks = ["127.0.0.1"]
[listener.submission]
kind = "submission"
bind = ["127.0.0.1:0"]
trusted_networks = ["127.0.0.1"]
[listener.submissions]
kind = "submissions"
bind = ["127.0.0.1:0"]
trusted_networks = ["127.0.0.1"]
[limits]
connections_per_client = 1000
connection_rate_per_client = 1000000
[harvesting]
except_networks = ["0.0.0.0/0"]
[domain."local.test"]
recipients = ["ann"]
route = "out"
{domain}
[domain."caught.test"]
catch_all = "ann@local.test"
route = "out"
[route.out]
kind = "smarthost"
host = "127.0.0.1:{port}"
tls = "none"
recipients = ["*"]
{more}
"""
MESSAGE = "From: a@third.test\r\nTo: b@third.test\r\n\r\nrelayed\r\n."


class Scenery:
    """A node, the server behind it, and what the node has told."""

    def __init__(self, path: Path, node: Node, sink: LabServer, events: list[Event]) -> None:
        self.path = path
        self.node = node
        self.sink = sink
        self.events = events

    def target(self, listener: str, source: str = STRANGER, announced: str = "") -> Target:
        host, port = self.node.receiver.addresses[listener][0]
        return Target(
            listener=listener,
            kind=listener,
            host=host,
            port=port,
            source=source,
            announced=announced,
            has_implicit_tls=listener == "submissions",
        )

    def places(self) -> list[str]:
        return [
            f"--at={name}={host}:{port}"
            for name, ((host, port), *_) in self.node.receiver.addresses.items()
        ]

    def accepted(self) -> list[MessageAccepted]:
        return [event for event in self.events if isinstance(event, MessageAccepted)]


@contextmanager
def scenery(tmp_path: Path, more: str = "", domain: str = "") -> Iterator[Scenery]:
    events: list[Event] = []
    with lab_server_in_thread(LabServer("smart.test")) as sink:
        path = tmp_path / "pillarbox.toml"
        path.write_text(
            CONFIGURATION.format(directory=tmp_path, port=sink.port, more=more, domain=domain)
        )
        with running_node(path, events) as node:
            yield Scenery(path, node, sink, events)


def deliver(wire: Wire) -> None:
    """Try to get a message through where a recipient was taken."""
    if wire.ask("DATA").startswith("354"):
        wire.ask(MESSAGE)


def relayed(done: Attack) -> list[tuple[str, str, str]]:
    return [(shot.sender, shot.recipient, shot.reply) for shot in done.taken]


@pytest.mark.parametrize(
    ("kind", "uses_starttls"),
    [
        ("mx", False),
        ("mx", True),
        ("submission", False),
        ("submission", True),
        ("submissions", False),
    ],
)
def test_no_form_from_any_sender_is_relayed_for_a_stranger(
    tmp_path: Path, kind: str, uses_starttls: bool
) -> None:
    """2E: not one recipient is taken, each has a final answer, and nothing is at the sink."""
    with scenery(tmp_path) as scene:
        target = replace(scene.target(kind), uses_starttls=uses_starttls)
        done = attack(target, SCENE, deliver)
        assert done.shots > 7 * 90
        assert relayed(done) == []
        assert done.unclear == []
        assert scene.accepted() == []
        assert scene.sink.messages == []
        assert any(isinstance(event, RecipientRefused | SenderRefused) for event in scene.events)


def test_a_client_that_a_proxy_announces_is_a_stranger_as_well(tmp_path: Path) -> None:
    """The address in the PROXY header is what counts, and no form is relayed for it."""
    with scenery(tmp_path) as scene:
        done = attack(scene.target("mx", PROXY, "203.0.113.9"), SCENE, deliver)
        assert (relayed(done), done.unclear, scene.sink.messages) == ([], [], [])
        refused = [each for each in scene.events if isinstance(each, RecipientRefused)]
        assert {each.client for each in refused} == {"203.0.113.9"}


def test_a_catch_all_takes_no_route_to_elsewhere(tmp_path: Path) -> None:
    """Where a domain takes every local part, what is taken goes to its own mailbox only."""
    with scenery(tmp_path) as scene:
        caught = Scene(
            local="caught.test", outside="third.test", host="mx.local.test", address="127.0.0.1"
        )
        done = attack(scene.target("mx"), caught, deliver)
        ends = {recipient for each in scene.accepted() for recipient in each.recipients}
        assert done.taken
        assert ends == {"ann@local.test"}
        assert not any(
            mark in shot.recipient for shot in done.taken for mark in ("%", "!", '"', "\uff20")
        )


def test_who_is_trusted_is_relayed_by_the_same_attack(tmp_path: Path) -> None:
    """The control: the attack does find a relay where there is one, and it reaches the sink."""
    with scenery(tmp_path) as scene:
        done = attack(scene.target("submission", TRUSTED), SCENE, deliver)
        assert any(shot.recipient == f"<{PROOF_USER}@third.test>" for shot in done.taken)
        deadline = time.monotonic() + 10
        while not scene.sink.messages and time.monotonic() < deadline:
            time.sleep(0.02)
        assert scene.sink.messages


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, words, prog_name="pillarbox")


def test_prove_says_that_a_closed_server_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`relay prove` tries policy and listeners, writes a dated page, sends nothing, exits with 0."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    with scenery(tmp_path) as scene:
        words = ("-c", str(scene.path), "relay", "prove", "--from", STRANGER, *scene.places())
        shown = run(*words, "--json")
        assert shown.exit_code == 0, shown.output
        value = json.loads(shown.output)
        assert value["proved"]
        tried = [(each["listener"], each["starttls"]) for each in value["attacks"][::2]]
        assert tried == [
            ("mx", False),
            ("mx", True),
            ("submission", False),
            ("submission", True),
            ("submissions", False),
        ]
        assert not any(each["relayed"] or each["unclear"] for each in value["attacks"])
        assert {each["client"] for each in value["attacks"]} == {STRANGER}
        (page,) = tmp_path.glob("relay-proof-20*Z.md")
        text = page.read_text()
        assert text.startswith(f"# Relay proof of {value['at']}")
        assert "No stranger reaches an outside domain." in text
        again = run(*words, "--report", str(tmp_path / "named.md"))
        assert again.stdout.startswith("No stranger reaches an outside domain.")
        assert (tmp_path / "named.md").exists()
        assert not any(each.recipients != ["ann@local.test"] for each in scene.accepted())
        assert scene.sink.messages == []


OPEN = """
[rule.oops]
action = "allow"
senders = ["@local.test"]
"""


def test_prove_prints_the_counterexample_of_an_open_relay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One wrong rule is found in the policy and at the listeners, and still nothing is sent."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    with scenery(tmp_path, more=OPEN) as scene:
        words = ("-c", str(scene.path), "relay", "prove", "--from", STRANGER, *scene.places())
        shown = run(*words)
        assert shown.exit_code == 1
        assert shown.stdout.startswith("This is an open relay.")
        assert "may send from <relay-proof@local.test> to <relay-proof@outside.invalid>" in (
            shown.output
        )
        assert "by rule oops" in shown.output
        assert "mx: MAIL FROM:<relay-proof@local.test> RCPT TO:<relay-proof@outside.invalid>" in (
            shown.output
        )
        assert scene.accepted() == []


def test_prove_says_where_it_could_prove_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A listener that is down, or trusts every address of this machine, is a gap and not a pass."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "pillarbox.toml"
    path.write_text(
        "[node]\nhostname = 'a.test'\n[listener.mx]\nkind = 'mx'\nbind = ['127.0.0.1:1']\n"
        "[listener.all]\nkind = 'submission'\nbind = ['127.0.0.1:2']\n"
        "trusted_networks = ['127.0.0.0/8']\n[route.out]\nkind = 'mx'\nrecipients = ['*']\n"
    )
    down = run("-c", str(path), "relay", "prove", "--listener", "mx", "--from", STRANGER)
    assert down.exit_code == 1
    assert "cannot be reached from 127.0.0.9" in down.output
    trusted = run("-c", str(path), "relay", "prove", "--listener", "all", "--from", STRANGER)
    assert trusted.exit_code == 1
    assert "127.0.0.9 is no stranger to listener all" in trusted.output
    policy = run("-c", str(path), "relay", "prove", "--policy-only")
    assert policy.exit_code == 0, policy.output
    for wrong in ("--listener=none", "--at=mx=here", "--at=none=127.0.0.1:25"):
        assert run("-c", str(path), "relay", "prove", wrong).exit_code == 2


def test_explain_gives_the_decision_and_the_rule_that_made_it(tmp_path: Path) -> None:
    """Each rule that was tried is told with why it did not fit; refused is exit status 1."""
    path = tmp_path / "pillarbox.toml"
    path.write_text(CONFIGURATION.format(directory=tmp_path, port=1, domain="", more=EXPLAINED))
    words = ("-c", str(path), "relay", "explain")
    taken = run(*words, "--auth", "shop", "--from", "a@shop.test", "--to", "u@third.test", "--json")
    assert taken.exit_code == 0, taken.output
    value = json.loads(taken.output)
    assert (value["accepted"], value["rule"], value["listener"]) == (True, "shop", "submission")
    assert [step["rule"] for step in value["steps"] if step["decides"]] == ["shop"]
    author = ("--header-from", "x@other.test")
    forged = run(*words, "--auth", "shop", "--from", "a@shop.test", "--to", "u@third.test", *author)
    assert forged.exit_code == 1
    assert "550 5.7.1 You may not send as the address in the From field" in forged.output
    for options, rule in (
        (("--from", "<>", "--to", "u@third.test"), "relay denied"),
        (("--from", "", "--to", "postmaster"), "local recipient"),
        (("--from", "x@y.test", "--to", "nobody@local.test"), "unknown recipient"),
        (("--from", "x@y.test", "--to", "u%third.test@local.test"), "routed address"),
        (("--ip", "127.0.0.1", "--from", "x@y.test", "--to", "u@third.test"), "trusted network"),
        (("--listener", "submission", "--from", "x@y.test", "--to", "a@b.test"), "login required"),
        (("--auth", "shop", "--from", "x@y.test", "--to", "a@b.test"), "sender not owned"),
        (("--auth", "x", "--senders", "@y.test", "--from", "x@y.test", "--to", "a@b.test"), "rest"),
    ):
        shown = run(*words, *options)
        assert f"by rule {rule}" in shown.output, shown.output
        assert shown.exit_code == (0 if shown.output.startswith("taken") else 1)
    for wrong in (("--ip", "here"), ("--listener", "none"), ("--to", "a b")):
        assert run(*words, "--from", "a@b.test", "--to", "a@b.test", *wrong).exit_code == 2


def test_explain_asks_the_store_what_a_credential_owns(tmp_path: Path) -> None:
    """The senders of a credential count without being named, and what is not known is said."""
    with scenery(tmp_path) as scene:
        words = ("-c", str(scene.path))
        added = run(*words, "credential", "add", "web", "--sender", "@web.test")
        assert added.exit_code == 0, added.output
        asked = (*words, "relay", "explain", "--to", "a@b.test", "--auth")
        taken = run(*asked, "web", "--from", "x@web.test")
        assert taken.exit_code == 0, taken.output
        refused = run(*asked, "web", "--from", "x@other.test")
        assert "x@other.test is not among what login web owns: @web.test" in refused.output
        unknown = run(*asked, "nobody", "--from", "x@web.test")
        assert "No credential in the store is called nobody." in unknown.output


EXPLAINED = """
[owner.shop]
credentials = ["shop"]
senders = ["@shop.test"]
[rule.shop]
action = "allow"
credentials = ["shop"]
recipients = ["third.test"]
[rule.rest]
action = "refuse"
credentials = ["*"]
"""


def test_forms_have_names_and_no_form_stands_twice() -> None:
    """The table is what the documentation counts: at least the 38 of the usual lists."""
    forms = recipient_forms(SCENE)
    assert len({form.path for form in forms}) == len(forms) > 80
    assert len({form.name for form in forms}) == len(forms)
