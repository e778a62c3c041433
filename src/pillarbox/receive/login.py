"""The logins of one session: who the client is, or that it may not know why not.

A client learns only whether it may come in: whatever is wrong, the answer has the same text
and takes the same time. What was wrong is told to the operator.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from pillarbox.events.types import AuthAccepted, AuthRefused
from pillarbox.receive.auth import Verdict
from pillarbox.receive.clients import client_key
from pillarbox.receive.line import Line
from pillarbox.receive.refusals import BAD_PASSWORD, LOGIN_BUSY, TOO_MANY_LOGINS
from pillarbox.receive.service import Service
from pillarbox.smtp.events import AuthAttempted, AuthFailed, AuthLookup
from pillarbox.smtp.reply import Reply
from pillarbox.smtp.sasl.claims import PasswordClaim
from pillarbox.smtp.server import ServerConnection

__all__ = ["Login"]


class Login:
    """Who the client of a session has shown to be, and how it tried."""

    __slots__ = ("_connection", "_is_gone", "_line", "_on_decided", "_service", "identity")

    def __init__(
        self,
        service: Service,
        line: Line,
        connection: ServerConnection,
        on_decided: Callable[[bool], None],
    ) -> None:
        """Begin as nobody.

        Args:
            service: The listener.
            line: The session.
            connection: Whose questions about logins are answered here.
            on_decided: Called when one has been, with whether it was let in.
        """
        self._service = service
        self._line = line
        self._connection = connection
        self._on_decided = on_decided
        self._is_gone = False
        self.identity = ""
        """The credential by which the client came in, "" for nobody."""

    def forget(self) -> None:
        """Be nobody again: what was said before TLS does not count (RFC 3207 §4.2)."""
        self.identity = ""

    def lost(self) -> None:
        """Answer nothing any more; the connection is gone."""
        self._is_gone = True

    def attempted(self, event: AuthAttempted) -> None:
        """Judge a claim, at once or later."""
        service = self._service
        now = service.monotonic()
        if service.guesses.are_too_many(client_key(self._line.client), now):
            self._refuse(event, TOO_MANY_LOGINS, "too many failed logins")
            return
        claim = event.claim
        if not isinstance(claim, PasswordClaim):
            self._judge(event, Verdict.WRONG)
            return
        verdict = service.authenticator.check(
            claim.identity, claim.password, acting_as=claim.authorization_identity, now=now
        )
        if isinstance(verdict, Verdict):
            self._judge(event, verdict)
            return
        verdict.add_done_callback(partial(self._checked, event))

    def looked_up(self, event: AuthLookup) -> None:
        """Supply what is kept of a user; of an unknown one, what looks the same (RFC 5802 §5.1)."""
        self._connection.supply(self._service.authenticator.verifier(event.request.identity))

    def failed(self, event: AuthFailed) -> None:
        """Tell of an exchange that ended without a claim."""
        self._tell_refused(event.mechanism, "", str(event.reply))

    def _checked(self, event: AuthAttempted, checked: asyncio.Future[Verdict]) -> None:
        failed = checked.cancelled() or checked.exception() is not None
        self._judge(event, Verdict.BUSY if failed else checked.result())

    def _judge(self, event: AuthAttempted, verdict: Verdict) -> None:
        if verdict is Verdict.ACCEPTED:
            self._accept(event)
        elif verdict in {Verdict.BUSY, Verdict.NO_USERS}:
            self._refuse(event, LOGIN_BUSY, verdict.value)
        else:
            service = self._service
            delay = service.guesses.failed(client_key(self._line.client), service.monotonic())
            if delay:
                asyncio.get_running_loop().call_later(
                    delay, self._refuse, event, BAD_PASSWORD, verdict.value
                )
            else:
                self._refuse(event, BAD_PASSWORD, verdict.value)

    def _accept(self, event: AuthAttempted) -> None:
        service = self._service
        self.identity = event.identity
        service.sink(
            AuthAccepted(
                at=service.clock.now(),
                session=self._line.id,
                client=self._line.client,
                mechanism=event.mechanism,
                identity=event.identity,
            )
        )
        if not self._is_gone:
            self._connection.accept()
            self._on_decided(True)  # noqa: FBT003 - a callback has no keywords

    def _refuse(self, event: AuthAttempted, reply: Reply, reason: str) -> None:
        self._tell_refused(event.mechanism, event.identity, reason)
        if not self._is_gone:
            self._connection.refuse(reply)
            self._on_decided(False)  # noqa: FBT003

    def _tell_refused(self, mechanism: str, identity: str, reason: str) -> None:
        self._service.sink(
            AuthRefused(
                at=self._service.clock.now(),
                session=self._line.id,
                client=self._line.client,
                mechanism=mechanism,
                identity=identity,
                reason=reason,
            )
        )
