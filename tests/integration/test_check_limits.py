"""Checks end in time whatever does not answer, and on Ctrl-C with what they know by then."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from tests.mute_server import mute_server
from tests.scripted_server import Talk
from tests.situations import certificates
from tests.situations.servers import good
from tests.situations.serving import serving
from tests.terminal import at_terminal

from pillarbox.checkup.facts.port25 import Role
from pillarbox.checkup.probes.domain import DomainQuestion, ask_domain
from pillarbox.checkup.probes.host import ServerQuestion, ask_server
from pillarbox.checkup.probes.login import LoginQuestion, ask_login
from pillarbox.checkup.probes.port25 import Port25Question, ask_port25
from pillarbox.checkup.probes.smtp import ProbeOptions
from pillarbox.checkup.remark import BLAMED, Status
from pillarbox.checkup.rules.domain import judge_domain
from pillarbox.checkup.rules.login import LoginReport, judge_login
from pillarbox.checkup.rules.port25 import Verdict, judge_port25
from pillarbox.checkup.rules.smtp import judge_server
from pillarbox.checkup.time_limit import LimitedResolver, TimeLimit
from pillarbox.dns.zone import ZoneResolver
from pillarbox.lab.clock import run_virtual
from pillarbox.mailauth.resolver import Answer, Outcome

_HOST = "smtp.org.example"


async def _mute(talk: Talk) -> None:
    await talk.reader.read()  # until the client has had enough


async def _mute_at_auth(talk: Talk) -> None:
    await talk.hello("STARTTLS")
    await talk.hear("STARTTLS")
    await talk.say("220 go")
    await talk.writer.start_tls(certificates.context(_HOST))
    await talk.ehlo("AUTH PLAIN LOGIN")
    while not (line := await talk.hear()).startswith("AUTH"):
        if line.startswith("QUIT"):
            await talk.say("221 bye")
            return
        await talk.say("250 ok")
    await talk.reader.read()


class _Silent(ZoneResolver):
    """A name server that does not answer."""

    def __init__(self) -> None:
        super().__init__("")

    async def _never(self, name: str) -> Answer[Any]:
        del name
        await asyncio.sleep(3600)
        raise AssertionError

    mx = addresses = a = aaaa = txt = ptr = tlsa = cname = _never


async def _log_in(ports: tuple[int, ...], limit: TimeLimit) -> LoginReport:
    question = LoginQuestion(
        host=_HOST,
        ports=ports,
        user="ann@org.example",
        password="a good password",
        authorities=certificates.authorities(),
        now=certificates.NOW.timestamp(),
    )
    resolver = ZoneResolver(f"{_HOST}. A 127.0.0.1")
    return judge_login(await ask_login(question, resolver, limit=limit))


def _timed(asked: Coroutine[Any, Any, Any]) -> tuple[Any, float]:
    async def run() -> tuple[Any, float]:
        clock = asyncio.get_running_loop().time
        begin = clock()
        return await asked, clock() - begin

    return run_virtual(run())


@pytest.mark.parametrize("script", [_mute, _mute_at_auth])
def test_a_login_ends_in_time_and_is_not_called_wrong(script: Any) -> None:
    """Neither a mute port nor a server that is mute at AUTH takes longer, or blames a password."""

    async def run() -> LoginReport:
        async with serving(script) as port:
            return await _log_in((port,), TimeLimit(30.0))

    report, seconds = _timed(run())
    assert seconds < 31
    assert not report.works
    assert "refused" not in report.remarks[0].what
    assert any(one.status is Status.SKIP for one in report.remarks)


def test_a_mute_port_leaves_time_for_the_login_at_another() -> None:
    """Looking at ports takes a share of the time, so that the one that works is logged in to."""

    async def run() -> LoginReport:
        taken = good(
            certificates.context(_HOST), inside=("AUTH PLAIN",), refusals={"AUTH": "235 ok"}
        )
        async with serving(_mute) as mute, serving(taken) as port:
            return await _log_in((mute, port), TimeLimit(20.0))

    report, seconds = _timed(run())
    assert report.works
    assert seconds < 20


def test_what_is_stopped_is_not_tested_and_not_failed() -> None:
    """After half a second of Ctrl-C, ports, domain and port 25 blame nobody for what is open."""

    async def stopped() -> TimeLimit:
        limit = TimeLimit(30.0)
        asyncio.get_running_loop().call_later(0.5, limit.stop)
        return limit

    async def run() -> None:
        clock = asyncio.get_running_loop().time
        begin = clock()
        async with serving(_mute) as port:
            server = await ask_server(
                ServerQuestion(host="127.0.0.1", ports=(port,), now=0.0),
                ZoneResolver(""),
                ProbeOptions(),
                limit=await stopped(),
            )
            (remark,) = judge_server(server).remarks
            assert (remark.code, remark.status) == ("PB-SMTP-002", Status.SKIP)
            port25 = await ask_port25(
                Port25Question(servers=(("127.0.0.1", port),), others=()),
                ZoneResolver(""),
                limit=await stopped(),
            )
            assert not port25.of(Role.SERVER)
            assert judge_port25(port25).verdict is Verdict.UNKNOWN
        asked = await ask_domain(
            DomainQuestion(domain="org.example"),
            _Silent(),
            _Silent().a,
            None,
            limit=await stopped(),
        )
        assert not {one.status for one in judge_domain(asked).remarks} & BLAMED
        assert clock() - begin < 3

    run_virtual(run())


def test_after_its_end_nobody_answers_for_dns() -> None:
    """What is asked then comes back at once, as a name server that does not answer."""

    async def run() -> None:
        limit = TimeLimit(1.0)
        resolver = LimitedResolver(_Silent(), limit)
        for answer in (await resolver.txt("org.example"), await resolver.mx("org.example")):
            assert answer.outcome is Outcome.UNAVAILABLE
            assert answer.reason == "not waited for any longer"

    _, seconds = _timed(run())
    assert seconds == pytest.approx(1.0)


def test_ctrl_c_leaves_with_what_there_is_and_130() -> None:
    """The report is printed, it says that it was stopped, and there is no traceback."""
    with (
        mute_server() as port,
        at_terminal(["check", "smtp", f"127.0.0.1:{port}"]) as terminal,
    ):
        terminal.expect("Ctrl-C stops")
        assert terminal.interrupt() == 130
    assert "Not fully checked: 127.0.0.1" in terminal.seen
    assert "Stopped: whatever had not finished" in terminal.seen
    assert "Traceback" not in terminal.seen
