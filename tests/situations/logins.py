"""Logins that fail in one way each, and what `check login` says of them."""

from __future__ import annotations

import functools

from tests.scripted_server import Talk
from tests.situations import certificates
from tests.situations.servers import good
from tests.situations.serving import serving
from tests.situations.situation import Healthy, Situation, Told, of_remarks

from pillarbox.checkup.probes.login import LoginQuestion, ask_login
from pillarbox.checkup.rules.login import judge_login
from pillarbox.dns.zone import ZoneResolver
from pillarbox.lab.clock import run_virtual

__all__ = ["BROKEN", "HEALTHY"]

_BAD = "535 5.7.8 Authentication credentials invalid"
_TAKEN = "235 2.7.0 Accepted"


def _look(
    host: str = "smtp.org.example",
    *,
    user: str = "ann@org.example",
    password: str = "a good password",
    reply: str = _TAKEN,
    offered: str = "AUTH PLAIN",
    context: str = "",
) -> Told:
    """Log in to a server of that name that has one reply to AUTH."""

    async def run() -> Told:
        inside = ("SIZE 1000", *filter(None, [offered]))
        made = certificates.context(context or host)
        async with serving(good(made, inside=inside, refusals={"AUTH": reply})) as port:
            question = LoginQuestion(
                host=host,
                ports=(port,),
                user=user,
                password=password,
                authorities=certificates.authorities(),
                now=certificates.NOW.timestamp(),
            )
            facts = await ask_login(question, ZoneResolver(f"{host}. A 127.0.0.1"))
        return of_remarks(judge_login(facts).remarks)

    return run_virtual(run())


async def _is_in_the_clear(talk: Talk) -> None:
    await talk.hello("AUTH PLAIN")
    await talk.goodbye()


def _look_in_the_clear() -> Told:
    """Log in to a server elsewhere that has no TLS: that is not done."""

    async def run() -> Told:
        async with serving(_is_in_the_clear) as port:
            question = LoginQuestion(
                host="smtp.org.example",
                ports=(port,),
                user="ann@org.example",
                password="secret",
                authorities=certificates.authorities(),
                now=certificates.NOW.timestamp(),
            )
            facts = await ask_login(question, ZoneResolver("smtp.org.example. A 127.0.0.1"))
        return of_remarks(judge_login(facts).remarks)

    return run_virtual(run())


def _broken(
    name: str,
    cause: str,
    fix: str,
    mended: dict[str, str] | None = None,
    **what: str,
) -> Situation:
    after = functools.partial(_look, **{**what, "reply": _TAKEN, **(mended or {})})
    return Situation(
        name=name,
        command="check login",
        look=functools.partial(_look, **what),
        cause=cause,
        fix=fix,
        mended=after,
    )


_MICROSOFT = "smtp.office365.com"
_GOOGLE = "smtp.gmail.com"
_OFF = "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled"
_ENDED = "550 5.7.30 Basic authentication is not supported for Client Submission."
_APP = "534 5.7.9 Application-specific password required"

BROKEN: tuple[Situation, ...] = (
    _broken("a wrong password", "PB-LOGIN-008", "Copy both anew", reply=_BAD),
    _broken(
        "a line end behind the password", "PB-LOGIN-011", "printf", reply=_BAD, password="secret\r"
    ),
    _broken(
        "a password in quotation marks", "PB-LOGIN-012", "Remove", reply=_BAD, password='"secret"'
    ),
    _broken("an empty password", "PB-LOGIN-010", "variable", {"password": "x"}, password=""),
    _broken(
        "user name and password swapped",
        "PB-LOGIN-013",
        "Swap",
        reply=_BAD,
        user="key",
        password="ann@org.example",
    ),
    _broken(
        "an address where SendGrid wants a word",
        "PB-LOGIN-015",
        "apikey",
        host="smtp.sendgrid.net",
        reply="535 Authentication failed: Bad username / password",
        password="SG.abcdef.ghijkl",
    ),
    _broken(
        "Resend's literal user name",
        "PB-LOGIN-015",
        "resend",
        host="smtp.resend.com",
        reply=_BAD,
        password="re_abcdef",
    ),
    _broken(
        "a name without its domain at Gmail",
        "PB-LOGIN-016",
        "address",
        host=_GOOGLE,
        user="ann",
        reply="535 5.7.8 Username and Password not accepted. gsmtp",
        password="abcd efgh ijkl mnop",
    ),
    _broken(
        "the account's own password at Gmail",
        "PB-LOGIN-018",
        "app password",
        host=_GOOGLE,
        reply=_APP,
        password="My-Own-Passw0rd",
    ),
    _broken(
        "an API key where Brevo wants an SMTP key",
        "PB-LOGIN-018",
        "xsmtpsib-",
        host="smtp-relay.brevo.com",
        reply=_BAD,
        password="xkeysib-0123",
    ),
    _broken(
        "the secret access key at Amazon SES",
        "PB-LOGIN-018",
        "44 characters",
        host="email-smtp.eu-west-1.amazonaws.com",
        reply="535 Authentication Credentials Invalid",
        user="AKIAIOSFODNN7EXAMPLE",
        password="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    ),
    _broken(
        "SMTP AUTH switched off for the tenant",
        "PB-LOGIN-008",
        "Authenticated SMTP",
        host=_MICROSOFT,
        reply=_OFF,
    ),
    _broken(
        "Microsoft's end of basic authentication",
        "PB-LOGIN-008",
        "SmtpClientAuthenticationDisabled",
        host=_MICROSOFT,
        reply=_ENDED,
    ),
    _broken(
        "a password where only tokens count",
        "PB-LOGIN-019",
        "OAuth",
        host="smtp-mail.outlook.com",
        reply=_BAD,
    ),
    _broken(
        "a server that takes tokens only",
        "PB-LOGIN-004",
        "token",
        {"offered": "AUTH PLAIN XOAUTH2"},
        host="smtp-mail.outlook.com",
        offered="AUTH XOAUTH2",
    ),
    _broken("a port without logins", "PB-LOGIN-003", "465", {"offered": "AUTH PLAIN"}, offered=""),
    _broken(
        "a certificate for another name",
        "PB-SMTP-051",
        "mail.example.net",
        {"context": "smtp.org.example"},
        context="mail.example.net",
    ),
    _broken(
        "a server that cannot check logins now",
        "PB-LOGIN-007",
        "Wait",
        reply="454 4.7.0 Temporary authentication failure",
    ),
    Situation(
        name="a login without TLS",
        command="check login",
        look=_look_in_the_clear,
        cause="PB-SMTP-040",
        fix="turn on STARTTLS",
        mended=_look,
    ),
)
HEALTHY: tuple[Healthy, ...] = (
    Healthy(name="a login that works", command="check login", look=_look),
    Healthy(
        name="SendGrid's literal user name",
        command="check login",
        look=functools.partial(
            _look, "smtp.sendgrid.net", user="apikey", password="SG.abcdef.ghijkl"
        ),
    ),
    Healthy(
        name="a password of a strange form that works",
        command="check login",
        look=functools.partial(_look, _GOOGLE, password="'quoted'"),
    ),
)
