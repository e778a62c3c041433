"""Logging in: who may, who may not, and how little a stranger learns."""

from __future__ import annotations

import asyncio
import smtplib
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import argon2
import pytest
from tests.receiving import (
    PASSWORD,
    Rig,
    Wire,
    any_certificate,
    listener,
    receiving,
    user_file,
    wait_until,
)

from pillarbox.access.answers import Admitted, Answer, Denied
from pillarbox.access.assembly import build_access
from pillarbox.access.authenticator import Authenticator
from pillarbox.access.node_key import NodeKey
from pillarbox.access.sources.passwd_file import UserFile
from pillarbox.config.settings import AuthSettings, GuessSettings, ListenerKind, Settings
from pillarbox.errors import PermanentError
from pillarbox.events.types import AuthAccepted, AuthRefused, MessageAccepted
from pillarbox.policy.autopsy import Cause
from pillarbox.receive.guesses import Guesses
from pillarbox.smtp.sasl.claims import PasswordClaim

USERS = {"ann@local.test": PASSWORD, "bob:colon": "other"}
KINDS = {
    "mx": listener(),
    "submission": listener(ListenerKind.SUBMISSION),
    "submissions": listener(ListenerKind.SUBMISSIONS),
    "open": listener(ListenerKind.SUBMISSION, auth_without_tls=True),
}
MESSAGE = b"From: ann@local.test\r\nTo: carol@third.test\r\n\r\nHello\r\n"


def plain(user: str, password: str, acting_as: str = "") -> str:
    """Return an AUTH PLAIN command with its initial response."""
    return "AUTH PLAIN " + b64encode(f"{acting_as}\0{user}\0{password}".encode()).decode()


@contextmanager
def session(rig: Rig, name: str = "open") -> Iterator[Wire]:
    """Connect, with TLS where it is there from the first octet, and say EHLO."""
    with rig.client(name) as wire:
        if name == "submissions":
            wire.sock = any_certificate().wrap_socket(wire.sock)
        wire.hello()
        yield wire


def test_who_has_logged_in_may_send_anywhere() -> None:
    """Smtplib logs in with PLAIN and LOGIN over TLS, and relays to another domain."""
    with receiving(KINDS, users=USERS) as rig:
        for mechanism in ("PLAIN", "LOGIN"):
            with smtplib.SMTP(*rig.address("submission"), timeout=10) as client:
                client.starttls(context=any_certificate())
                client.ehlo()
                client.user, client.password = "ann@local.test", PASSWORD
                method = getattr(client, f"auth_{mechanism.lower()}")
                assert client.auth(mechanism, method)[0] == 235
                client.sendmail("ann@local.test", "carol@third.test", MESSAGE)
        assert [each.identity for each in rig.named(MessageAccepted)] == ["ann@local.test"] * 2
        assert all(b"with ESMTPSA id " in rig.content(each) for each in rig.kept)
        assert [each.mechanism for each in rig.named(AuthAccepted)] == ["PLAIN", "LOGIN"]


def test_auth_is_not_offered_before_tls() -> None:
    """In the clear AUTH is neither offered nor taken, and passwords on mx never are."""
    with receiving(KINDS, users=USERS) as rig:
        with session(rig, "submission") as wire:
            assert "AUTH" not in wire.ask("EHLO client.test")
            assert wire.ask(plain("ann@local.test", PASSWORD))[:3] in {"538", "530"}
            assert wire.ask("MAIL FROM:<ann@local.test>").startswith("530 5.7.0")
            wire.start_tls(any_certificate())
            assert "AUTH PLAIN LOGIN" in wire.ask("EHLO client.test")
        with session(rig, "mx") as wire:
            wire.start_tls(any_certificate())
            assert "AUTH" not in wire.ask("EHLO client.test")
            assert wire.ask(plain("ann@local.test", PASSWORD)).startswith("502")
        assert not rig.named(AuthAccepted)


def test_without_users_auth_is_not_offered() -> None:
    """A listener that nobody could log in at does not ask for passwords."""
    with receiving(KINDS) as rig, session(rig) as wire:
        assert "AUTH" not in wire.ask("EHLO client.test")
        assert wire.ask("MAIL FROM:<ann@local.test>").startswith("530 5.7.0")


@pytest.mark.parametrize(
    ("user", "password", "acting_as"),
    [
        ("ann@local.test", "not hers", ""),
        ("nobody", PASSWORD, ""),
        ("ann@local.test", PASSWORD, "bob:colon"),
        ("ann@local.test", "x" * 1_025, ""),
        ("*)(uid=*", "' OR 1=1--", ""),
    ],
)
def test_every_failure_looks_the_same(user: str, password: str, acting_as: str) -> None:
    """A wrong password, an unknown user and another identity get one and the same reply."""
    with receiving(KINDS, users=USERS) as rig, session(rig) as wire:
        reply = wire.ask(plain(user, password, acting_as))
        assert reply == "535 5.7.8 Authentication credentials invalid"
        assert wire.ask("MAIL FROM:<ann@local.test>").startswith("530")
        wait_until(lambda: len(rig.named(AuthRefused)) == 1)
        assert [each.identity for each in rig.named(AuthRefused)] == [user]
        assert password not in repr(rig.events)


def test_a_malformed_exchange_is_refused_and_told_of() -> None:
    """Bad base64, a cancellation and unknown mechanisms keep the session alive."""
    with receiving(KINDS, users=USERS) as rig, session(rig) as wire:
        assert wire.ask("AUTH PLAIN ???").startswith("501 5.5.2")
        assert wire.ask("AUTH LOGIN").startswith("334")
        assert wire.ask("*").startswith("501 5.7.0")
        assert wire.ask("AUTH CRAM-MD5").startswith("504")
        assert wire.ask("AUTH PLAIN " + b64encode(b"no nul").decode()).startswith("501")
        assert wire.ask(plain("ann@local.test", PASSWORD)).startswith("235")
        assert wire.ask(plain("ann@local.test", PASSWORD)).startswith("503")
        assert len(rig.named(AuthRefused)) >= 3


@pytest.mark.parametrize(
    ("name", "lines", "cause"),
    [
        ("open", ["AUTH PLAIN ???"], "not_base64"),
        ("open", ["AUTH LOGIN", "*"], "canceled"),
        ("open", ["AUTH CRAM-MD5"], "not_offered"),
        ("open", ["AUTH hunter2"], "not_offered"),
        ("open", ["AUTH PLAIN " + b64encode(b"no nul").decode()], "malformed"),
        ("open", [plain("ann@local.test", "")], "empty_secret"),
        ("open", ["AUTH LOGIN", b64encode(b"ann").decode(), "="], "not_base64"),
        ("open", ["AUTH LOGIN", b64encode(b"ann").decode(), ""], "empty_secret"),
        (
            "open",
            ["AUTH PLAIN " + b64encode(b64encode(b"\0ann@local.test\0x")).decode()],
            "encoded_twice",
        ),
        ("submission", [plain("ann@local.test", PASSWORD)], "not_before_tls"),
        ("open", [plain("ann@local.test", PASSWORD, "bob:colon")], "other_identity"),
        ("open", [plain("eve@local.test", PASSWORD)], "unknown_user"),
        ("open", [plain("ANN@LOCAL.TEST", PASSWORD)], "case_of_user"),
    ],
)
def test_the_operator_is_told_what_was_wrong_with_an_exchange(
    name: str, lines: list[str], cause: str
) -> None:
    """Each way to say it wrongly has its cause, and nothing of what was said is shown."""
    with receiving(KINDS, users=USERS) as rig, session(rig, name) as wire:
        for line in lines:
            wire.ask(line)
        wait_until(lambda: len(rig.named(AuthRefused)) == 1)
        (event,) = rig.named(AuthRefused)
        assert event.cause == cause
        assert (event.helo, event.listener) == ("client.test", name)
        assert "hunter2" not in repr(event)


def test_who_guesses_is_slowed_down_and_then_turned_out() -> None:
    """After the first failure answers take longer, and then comes a ban: 421 4.7.0."""
    with receiving(KINDS, users=USERS) as rig:
        rig.receiver.guesses.use(GuessSettings(first_delay=0.05))
        with session(rig) as wire:
            took = []
            for _ in range(3):
                began = time.monotonic()
                assert wire.ask(plain("ann@local.test", "wrong")).startswith("535")
                took.append(time.monotonic() - began)
            assert took[1] >= 0.05
            assert took[2] >= 0.1

        def fail_often() -> None:
            for _ in range(30):
                rig.receiver.guesses.failed("127.0.0.1", "ann@local.test", time.time())

        rig.call(fail_often)
        with rig.client("open") as wire:
            assert wire.reply().startswith("421 4.7.0")
            assert wire.rest() == b""


def test_many_logins_at_once_do_not_stop_the_loop() -> None:
    """While 200 passwords are hashed on two threads, others are answered quickly."""
    hasher = argon2.PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1)
    with receiving(KINDS, users=USERS) as rig:
        file = rig.settings.auth.file
        assert file is not None
        file.write_text(f"ann@local.test:{hasher.hash(PASSWORD)}\n")
        wires = []
        for _ in range(50):
            context = rig.client("open")
            wire = context.__enter__()
            wires.append((context, wire))
            wire.hello()
        for _, wire in wires:
            wire.send(plain("ann@local.test", PASSWORD))
        lags = []
        with session(rig, "mx") as other:
            for _ in range(20):
                began = time.monotonic()
                assert other.ask("NOOP").startswith("250")
                lags.append(time.monotonic() - began)
        answers = {wire.reply()[:3] for _, wire in wires}
        for context, _ in wires:
            context.__exit__(None, None, None)
    assert answers <= {"235", "454"}
    assert sorted(lags)[len(lags) // 2] < 0.1


def test_a_client_that_leaves_during_the_check_harms_nobody() -> None:
    """The password of a client that has gone is checked for nothing."""
    with receiving(KINDS, users=USERS) as rig:
        for _ in range(5):
            with session(rig) as wire:
                wire.send(plain("ann@local.test", PASSWORD))
        wait_until(lambda: len(rig.reasons()) == 5)
        with session(rig) as wire:
            assert wire.ask(plain("ann@local.test", PASSWORD)).startswith("235")


def file_source(folder: Path, **passwords: str) -> Authenticator:
    """Return who judges logins by a user file alone."""
    settings = Settings(auth=AuthSettings(file=user_file(folder, **passwords), cache_seconds=10.0))
    key = NodeKey(b"a key", is_configured=False)
    return build_access(settings, directory=None, key=key, now=time.time).authenticator


def check(authenticator: Authenticator, user: str, password: str, now: float = 0.0) -> Answer:
    """Return what an authenticator decides, now or later."""

    async def decided() -> Answer:
        answer = authenticator.check(PasswordClaim("", user, password), now=now)
        return await answer if isinstance(answer, asyncio.Future) else answer

    return asyncio.run(decided())


def cause(answer: Answer) -> Cause:
    """Return why a login was denied."""
    assert isinstance(answer, Denied)
    return answer.cause


def test_a_changed_password_holds_at_once(tmp_path: Path) -> None:
    """A remembered login is forgotten when the file changes, and when its time is over."""
    authenticator = file_source(tmp_path, ann="one")
    assert isinstance(check(authenticator, "ann", "one"), Admitted)
    remembered = authenticator.check(PasswordClaim("", "ann", "one"), now=9.0)
    assert isinstance(remembered, Admitted)  # at once
    other = authenticator.check(PasswordClaim("bob", "ann", "one"), now=9.0)
    assert isinstance(other, Denied)
    assert other.cause is Cause.OTHER_IDENTITY
    tmp_path.joinpath("users").unlink()
    user_file(tmp_path, ann="two")
    assert cause(check(authenticator, "ann", "one", now=9.0)) is Cause.WRONG_SECRET
    assert isinstance(check(authenticator, "ann", "two", now=9.0), Admitted)
    authenticator.close()


def test_unknown_users_take_as_long_as_known_ones(tmp_path: Path) -> None:
    """The time of a refusal does not tell whether the user exists."""
    hasher = argon2.PasswordHasher(time_cost=2, memory_cost=4096, parallelism=1)
    path = tmp_path / "users"
    path.touch(mode=0o600)
    path.write_text(f"# users\n\nann:{hasher.hash('one')}\n")
    users = UserFile(path)

    def seconds(user: str) -> float:
        began = time.thread_time()  # of the processor: others on the machine do not count
        assert not users.verify(user, "wrong")
        return time.thread_time() - began

    pairs = [(seconds("ann"), seconds("nobody")) for _ in range(9)]
    known, unknown = (min(column) for column in zip(*pairs, strict=True))
    assert 0.4 < known / unknown < 2.5


@pytest.mark.parametrize("line", ["ann", "ann:", ":hash", "ann:plain", "ann:$argon2id$broken"])
def test_a_bad_line_of_the_user_file_is_named(tmp_path: Path, line: str) -> None:
    """The error says which line it is, and not what stands in it."""
    path = user_file(tmp_path, ann="one")
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(PermanentError, match=r"users:2: ") as error:
        UserFile(path)
    assert "hash" not in line or line not in str(error.value)


def test_a_user_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """Loose modes and missing files are errors that say what to do."""
    path = user_file(tmp_path, ann="one")
    path.chmod(0o644)
    with pytest.raises(PermanentError, match="chmod 600"):
        UserFile(path)
    with pytest.raises(PermanentError, match="No such file"):
        UserFile(tmp_path / "none")


def test_a_file_that_breaks_while_we_run_keeps_strangers_out(tmp_path: Path) -> None:
    """An unusable user file lets nobody in, with a temporary failure."""
    authenticator = file_source(tmp_path, ann="one")
    tmp_path.joinpath("users").write_text("rubbish\n")
    denied = check(authenticator, "ann", "one")
    assert cause(denied) is Cause.SOURCE_DOWN
    assert isinstance(denied, Denied)
    assert denied.is_temporary
    assert "rubbish" not in denied.detail
    authenticator.close()


def test_dovecots_form_of_the_file_is_read(tmp_path: Path) -> None:
    """A scheme in braces and fields behind the hash are no mistakes; another scheme is."""
    path = user_file(tmp_path, ann="one")
    user, _, kept = path.read_text().strip().partition(":")
    path.write_text(f"{user}:{{ARGON2ID}}{kept}:1000:1000::/home/ann::userdb_quota=1G\n")
    assert UserFile(path).verify("ann", "one")
    path.write_text("ann:{SHA512-CRYPT}$6$salt$hash\n")
    with pytest.raises(PermanentError, match=r"but \{SHA512-CRYPT\}"):
        UserFile(path)


def test_guesses_are_forgiven_slowly() -> None:
    """Delays double up to a bound, and failures are forgotten one a minute."""
    guesses = Guesses()
    delays = [guesses.failed("192.0.2.1", "ann", 0.0) for _ in range(7)]
    assert delays == [0.0, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]
    assert guesses.failed("192.0.2.2", "ann", 0.0) == 0.0
    assert guesses.failed("192.0.2.1", "ann", 10 * 60.0) == 0.0
