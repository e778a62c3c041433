"""The command line: what it prints, where, and with which exit status."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import apsw
import argon2
import pytest
from click.testing import CliRunner, Result
from tests.mail import NOW, kept_message
from tests.running_control import RunningControl, running_control

from pillarbox.cli.main import cli
from pillarbox.cli.output import show_age, show_size
from pillarbox.control.protocol import Pause
from pillarbox.events.encode import encode
from pillarbox.events.types import AttemptMade, RecipientBounced, RecipientDeferred
from pillarbox.store.ids import show_id
from pillarbox.store.port import Batch, JournalEntry, KeptMessage, StartMark
from pillarbox.store.sqlite import SqliteStore

SOUND = """
[node]
hostname = "mail.example.org"
[listener.in]
kind = "submission"
bind = ["127.0.0.1:2525"]
trusted_networks = ["127.0.0.1"]
[route.out]
kind = "mx"
recipients = ["*"]
"""


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test has a folder, a terminal width and an environment of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    for name in list(os.environ):
        if name.startswith("PILLARBOX"):
            monkeypatch.delenv(name)


def run(*words: str, given: str | bytes = "") -> Result:
    return CliRunner().invoke(cli, words, input=given, prog_name="pillarbox")


def stopped_node(*messages: KeptMessage, events: Sequence[JournalEntry] = ()) -> None:
    """Leave a store behind as a node that was stopped does."""

    async def fill() -> None:
        store = SqliteStore(Path("var/pillarbox.db"), node="main", now=lambda: NOW)
        await store.open()
        await store.commit(Batch(keep=list(messages), record=list(events)))
        await store.close()

    asyncio.run(fill())
    Path("pillarbox.toml").write_text(SOUND)


# --- configuration -----------------------------------------------------------------


def test_help_begins_with_examples() -> None:
    """Who asks for help sees how to begin, and every command."""
    result = run("--help")
    assert result.exit_code == 0
    assert "pillarbox init --kind relay" in result.output
    for name in ("serve", "queue", "log", "backup", "restore", "verify", "auth", "status"):
        assert f"\n  {name} " in result.output


def test_a_sound_configuration_passes() -> None:
    """Exit status 0, nothing on standard output, one sentence on standard error."""
    Path("pillarbox.toml").write_text(SOUND)
    result = run("config", "check")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "pillarbox.toml: nothing to complain about\n"


def test_findings_are_results() -> None:
    """Findings go to standard output with place, reason and remedy; exit status 1."""
    Path("pillarbox.toml").write_text("[node]\nhostnam = 'x'\n")
    result = run("config", "check")
    assert result.exit_code == 1
    assert result.stdout == (
        "error    node.hostnam is not a key that pillarbox knows.  PB-CONFIG-004\n"
        '  fix    Did you mean "hostname"?\n'
        "  seen   pillarbox.toml:2\n"
    )
    assert result.stderr == "1 error\n"


def test_findings_as_json_are_lines() -> None:
    """Programs read one object a line."""
    Path("pillarbox.toml").write_text(SOUND.replace("127.0.0.1:2525", "x"))
    result = run("config", "check", "--json")
    (finding,) = map(json.loads, result.stdout.splitlines())
    assert (finding["level"], finding["code"]) == ("error", "PB-CONFIG-024")
    assert finding["evidence"] == ["pillarbox.toml:6"]


def test_warnings_fail_only_when_asked() -> None:
    """A doubt does not stop anybody, unless --strict."""
    Path("pillarbox.toml").write_text("")
    assert run("config", "check").exit_code == 0
    assert run("config", "check", "--strict").exit_code == 1


def test_show_says_where_values_come_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """File and line, variable, or default."""
    Path("pillarbox.toml").write_text(SOUND + "[queue]\nlifetime = '4 d'\n")
    monkeypatch.setenv("PILLARBOX_QUEUE__MAX_RETRY", "2 h")
    shown = run("config", "show", "queue").stdout.splitlines()
    assert shown[0].split() == ["key", "value", "from"]
    assert '"4 d"' in shown[1]
    assert shown[1].endswith("pillarbox.toml:12")
    assert any(line.endswith("$PILLARBOX_QUEUE__MAX_RETRY") for line in shown)
    assert any(line.endswith("default") for line in shown)
    changed = run("config", "show", "--changed", "--json", "queue").stdout.splitlines()
    assert [json.loads(line)["key"] for line in changed] == ["queue.lifetime", "queue.max_retry"]


@pytest.mark.parametrize("before", [True, False])
def test_the_configuration_can_be_named_before_and_after(before: bool) -> None:
    """--config stands where the hand puts it."""
    Path("other.toml").write_text("[node]\nname = 'other'\n")
    words = ["config", "show", "node.name"]
    result = run("-c", "other.toml", *words) if before else run(*words, "--config", "other.toml")
    assert '"other"' in result.stdout


def test_init_writes_a_private_sound_file_once() -> None:
    """The file passes the check, has mode 0600, and is never overwritten."""
    words = ("init", "--kind", "relay", "--smarthost", "smtp.example.net:587")
    assert run(*words).exit_code == 0
    assert Path("pillarbox.toml").stat().st_mode & 0o777 == 0o600
    assert run("config", "check", "--strict").exit_code == 0
    before = Path("pillarbox.toml").read_text()
    result = run(*words)
    assert result.exit_code == 1
    assert "exists" in result.stderr
    assert Path("pillarbox.toml").read_text() == before


def test_init_asks_for_what_is_missing() -> None:
    """Without options, kind and domain are asked for; with them, nothing is."""
    assert run("init", given="mx\nexample.net\n").exit_code == 0
    assert '[domain."example.net"]' in Path("pillarbox.toml").read_text()
    assert run("init", "--kind", "mx", "-o", "b.toml").exit_code == 2
    assert run("init", "--kind", "mx", "--domain", "a b", "-o", "b.toml").exit_code == 2
    assert run("init", "--kind", "relay", "--smarthost", ":::", "-o", "b.toml").exit_code == 2


def test_a_wrong_configuration_stops_every_command_with_its_findings() -> None:
    """`queue list` says what is wrong with the file, on standard error."""
    Path("pillarbox.toml").write_text("[nod]\n")
    result = run("queue", "list")
    assert (result.exit_code, result.stdout) == (1, "")
    assert 'Did you mean "node"?' in result.stderr


def test_serve_refuses_a_configuration_with_errors() -> None:
    """Nothing is started while the check finds an error."""
    Path("pillarbox.toml").write_text(SOUND.replace("127.0.0.1:2525", "x"))
    result = run("serve")
    assert result.exit_code == 1
    assert "PB-CONFIG-024" in result.stderr


# --- passwords ---------------------------------------------------------------------


def test_a_hash_is_a_line_that_verifies() -> None:
    """The line is `user:hash`, the hash is argon2id, and the password is nowhere in it."""
    result = run("auth", "hash", "ann@example.org", given="correct horse\n")
    user, _, hashed = result.stdout.strip().partition(":")
    assert user == "ann@example.org"
    assert hashed.startswith("$argon2id$")
    assert argon2.PasswordHasher().verify(hashed, "correct horse")
    assert "horse" not in result.output


@pytest.mark.parametrize(("user", "password"), [("a:b", "x"), ("", "x"), ("a\nb", "x"), ("a", "")])
def test_users_and_passwords_that_cannot_work_are_refused(user: str, password: str) -> None:
    """A colon, a line end or an empty password would break the file."""
    assert run("auth", "hash", user, given=f"{password}\n").exit_code == 2


# --- a stopped node ----------------------------------------------------------------


def test_a_node_that_never_ran_is_told_so() -> None:
    """No socket and no store: the error says both, and what to do; nothing is made."""
    result = run("queue", "list")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: the node does not run, and there is no store at var/")
    assert "pillarbox serve" in result.stderr
    assert not Path("var").exists()


@pytest.mark.parametrize("command", ["pause", "resume", "reload", "stop"])
def test_what_needs_a_running_node_says_so(command: str) -> None:
    """A stopped node cannot be paused."""
    stopped_node()
    result = run(command)
    assert result.exit_code == 1
    assert "no node answers at var/control" in result.stderr


def test_memory_and_databases_of_stopped_nodes_are_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A database has no lock, so it is never opened behind a node's back."""
    for url in ("memory:", "postgresql://u:hunter2@127.0.0.1:1/d"):
        monkeypatch.setenv("PILLARBOX_STORE__URL", url)
        result = run("queue", "list")
        assert result.exit_code == 1
        assert "does not run" in result.stderr
        assert "hunter2" not in result.output


def test_the_queue_is_listed() -> None:
    """A line for the message and one for each recipient, escaped, aligned, no boxes."""
    message = kept_message("bob@example.org", "\x1b[31m@example.net")
    stopped_node(message)
    result = run("queue", "list")
    assert result.exit_code == 0
    head, first, second = result.stdout.splitlines()
    assert head.startswith(show_id(message.id))
    assert head.endswith("ann@example.com")
    assert first.split() == ["queued", "bob@example.org", "now"] or "in" in first
    assert r"\x1b[31m" in second
    assert result.stderr == "1 message, 2 recipients\n"


def test_the_queue_as_json_lines() -> None:
    """A program gets every field."""
    message = kept_message("bob@example.org")
    stopped_node(message)
    (row,) = map(json.loads, run("queue", "list", "--json").stdout.splitlines())
    assert row["message"] == show_id(message.id)
    assert row["recipients"][0]["state"] == "queued"
    shown = json.loads(run("queue", "show", show_id(message.id), "--json").stdout)
    assert shown == row


def test_the_summary_counts_by_destination() -> None:
    """The largest destination comes first, under the total."""
    stopped_node(
        *(kept_message(f"u{n}@big.example") for n in range(3)), kept_message("a@small.example")
    )
    head, total, first, second = run("queue", "summary").stdout.splitlines()
    assert head.split()[:3] == ["destination", "total", "5m"]
    assert total.split()[:2] == ["TOTAL", "4"]
    assert first.split()[:2] == ["big.example", "3"]
    assert second.split()[:2] == ["small.example", "1"]


def test_filters_choose() -> None:
    """Domain, sender, state and age narrow the list; a wrong age is wrong usage."""
    stopped_node(kept_message("a@one.example"), kept_message("b@two.example", sender=None))

    def addresses(*words: str) -> list[str]:
        rows = map(json.loads, run("queue", "list", "--json", *words).stdout.splitlines())
        return [each["address"] for row in rows for each in row["recipients"]]

    assert addresses("--domain", "one.example") == ["a@one.example"]
    assert addresses("--sender", "<>") == ["b@two.example"]
    assert addresses("--recipient", "B@two.example") == ["b@two.example"]
    assert addresses("--state", "held") == []
    assert run("queue", "list", "--older", "soon").exit_code == 2


def test_changes_by_filter_ask_first() -> None:
    """Without somebody to ask, the count has to be confirmed; ids need no question."""
    one, two = kept_message("a@one.example"), kept_message("b@one.example")
    stopped_node(one, two)
    assert run("queue", "hold").exit_code == 2
    result = run("queue", "hold", "--domain", "one.example")
    assert result.exit_code == 1
    assert "Add --confirm 2 or --yes." in result.stderr
    assert run("queue", "hold", "--domain", "one.example", "--confirm", "3").exit_code == 1
    result = run("queue", "hold", "--domain", "one.example", "--confirm", "2")
    assert (result.exit_code, result.stderr) == (0, "2 recipients held.\n")
    assert run("queue", "release", show_id(one.id)).exit_code == 0
    assert run("queue", "release", show_id(one.id)).exit_code == 1
    result = run("queue", "release", "--route", "lost", show_id(two.id))
    assert (result.exit_code, "there is no route 'lost'" in result.stderr) == (1, True)
    assert run("queue", "hold", "--route", "lost", "--all").exit_code == 2
    assert run("queue", "cancel", "--all", "--yes").exit_code == 0
    assert run("queue", "list").stdout == ""


def test_looking_at_the_store_of_a_dead_node_forgets_no_suspect() -> None:
    """What was in flight when the node died is still suspect after the queue was listed."""
    message = kept_message("a@one.example")
    stopped_node(message)

    async def suspects(*, start: bool) -> int:
        store = SqliteStore(Path("var/pillarbox.db"), node="main", now=lambda: NOW)
        await store.open()
        found = len(await store.suspects())
        if start:
            await store.commit(Batch(start=[StartMark(message.id, (0,))]))
        await store.close(keep_suspects=True)
        return found

    asyncio.run(suspects(start=True))
    with apsw.Connection("var/pillarbox.db") as file:  # as a process that was killed leaves it
        file.execute("UPDATE node SET is_clean = 0")
    assert run("queue", "list").exit_code == 0
    assert run("log", show_id(message.id)).exit_code == 0
    assert asyncio.run(suspects(start=False)) == 1


def test_a_refusal_is_explained_in_the_story() -> None:
    """Below a recipient that bounced, the story says what the reply means and what to do."""
    message = kept_message("bob@example.org")
    before = time.time() - 60
    bounced = RecipientBounced(
        at=before,
        message=show_id(message.id),
        recipient="bob@example.org",
        reply="550 5.1.1 User unknown",
        stage="recipient",
    )
    stopped_node(message, events=[JournalEntry(before, message.id, encode(bounced))])
    told = run("log", "--brief", "bob@example.org").stdout
    assert "why  There is no such address. Compare the address" in told


def test_a_change_is_in_the_story() -> None:
    """What an operator did is told by `log`, like everything else."""
    message = kept_message("bob@example.org")
    before = time.time() - 60  # the command goes by the machine's clock
    events = [
        AttemptMade(
            at=before,
            message=show_id(message.id),
            recipients=["bob@example.org"],
            route="out",
            host="mx.example.org",
            conversation=["> EHLO a", "< 451 later"],
        ),
        RecipientDeferred(
            at=before, message=show_id(message.id), recipient="bob@example.org", reply="451 later"
        ),
    ]
    stopped_node(
        message, events=[JournalEntry(before, message.id, encode(each)) for each in events]
    )
    assert run("queue", "retry", show_id(message.id)).exit_code == 0
    result = run("log", "bob@example.org")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    told = [line.split()[2] for line in lines if line.startswith("  20") and "Z  " in line]
    assert told == ["attempt", "deferred", "retried"]
    assert any(line.strip() == "> EHLO a" for line in lines)
    assert "EHLO" not in run("log", "--brief", "<1@example.com>").stdout
    rows = [
        json.loads(line) for line in run("log", "--json", show_id(message.id)).stdout.splitlines()
    ]
    assert [row.get("row") or row["event"] for row in rows] == [
        "message",
        "attempt.made",
        "recipient.deferred",
        "recipient.retried",
    ]


def test_a_story_that_nobody_knows_is_an_error() -> None:
    """Exit status 1, and what could be asked for."""
    stopped_node()
    result = run("log", "nobody@example.org")
    assert result.exit_code == 1
    assert "nothing is known of 'nobody@example.org'" in result.stderr


def test_backup_restore_and_hold() -> None:
    """A copy comes back whole, and with --hold nothing in it leaves by itself."""
    message = kept_message("bob@example.org")
    stopped_node(message)
    assert run("backup", "copy.db").exit_code == 0
    assert run("backup", "copy.db").exit_code == 1
    assert run("queue", "cancel", "--all", "--yes").exit_code == 0
    result = run("restore", "--hold", "copy.db")
    assert result.exit_code == 0
    (row,) = map(json.loads, run("queue", "list", "--json").stdout.splitlines())
    assert row["message"] == show_id(message.id)
    assert row["recipients"][0]["state"] == "held"
    assert run("verify").exit_code == 0


def test_restore_refuses_what_is_no_copy() -> None:
    """A damaged or foreign file does not replace the store."""
    stopped_node(kept_message("bob@example.org"))
    Path("copy.db").write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    before = Path("var/pillarbox.db").read_bytes()
    assert run("restore", "copy.db").exit_code == 1
    assert Path("var/pillarbox.db").read_bytes() == before


def test_a_store_in_use_is_not_touched() -> None:
    """While a process has the store, a missing socket is no reason to open it."""
    stopped_node(kept_message("bob@example.org"))
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            (
                "import fcntl, sys; f = open('var/pillarbox.db.lock', 'r+');"
                "fcntl.flock(f, fcntl.LOCK_EX); print('locked', flush=True); sys.stdin.read()"
            ),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout
        holder.stdout.readline()
        for words in (["queue", "list"], ["restore", "var/pillarbox.db"]):
            result = run(*words)
            assert result.exit_code == 1
            assert "in use" in result.stderr
        holder.communicate()


def test_status_of_a_stopped_node_fails() -> None:
    """A monitor sees by the exit status that it does not run."""
    stopped_node(kept_message("bob@example.org"))
    result = run("status")
    assert result.exit_code == 1
    assert "not running" in result.stdout
    assert "1 queued" in result.stdout


# --- a running node ----------------------------------------------------------------


def test_commands_reach_a_running_node() -> None:
    """With a socket, commands act on the node itself."""

    async def scenario(control: RunningControl) -> None:
        await control.keep(kept_message("bob@example.org"))
        status = await asyncio.to_thread(run, "status")
        assert status.exit_code == 0
        assert "process 4711" in status.stdout
        assert (await asyncio.to_thread(run, "queue", "hold", "--all", "--yes")).exit_code == 0
        assert control.live.followed
        assert (await asyncio.to_thread(run, "pause")).exit_code == 0
        assert control.live.is_paused
        assert "paused" in (await asyncio.to_thread(run, "status")).stdout
        reload = await asyncio.to_thread(run, "reload")
        assert reload.stderr == "Changed: queue.lifetime.\n"
        assert (await asyncio.to_thread(run, "restore", "pillarbox.toml")).exit_code == 1
        assert (await asyncio.to_thread(run, "stop", "--wait", "0")).exit_code == 0
        assert control.live.stopped
        assert isinstance(Pause(), Pause)

    async def main() -> None:
        Path("var").mkdir()
        Path("pillarbox.toml").write_text(SOUND)
        async with running_control(Path("var")) as control:
            await scenario(control)

    asyncio.run(main())


# --- the program -------------------------------------------------------------------


def test_a_pipe_that_closes_early_is_no_error() -> None:
    """`pillarbox config reference | head -1` ends quietly."""
    command = f"{sys.executable} -m pillarbox config reference | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.stdout == "# Configuration reference\n"
    assert done.stderr == ""


def test_colors_only_for_terminals() -> None:
    """Output in a pipe has no escape sequences."""
    stopped_node(kept_message("bob@example.org"))
    done = subprocess.run(
        [sys.executable, "-m", "pillarbox", "queue", "list"], capture_output=True, check=True
    )
    assert b"\x1b" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3660, "1 h 1 min"),
        (7200, "2 h"),
        (90000, "1 d 1 h"),
        (86400 * 400, "400 d"),
        (-5, "0 s"),
    ],
)
def test_ages_have_two_units(seconds: float, shown: str) -> None:
    """An age is as exact as one needs it."""
    assert show_age(seconds) == shown


@pytest.mark.parametrize(
    ("octets", "shown"),
    [(0, "0 B"), (999, "999 B"), (1024, "1.0 KiB"), (4198, "4.1 KiB"), (26_214_400, "25 MiB")],
)
def test_sizes_have_three_digits(octets: int, shown: str) -> None:
    """A size is as exact as one needs it."""
    assert show_size(octets) == shown
