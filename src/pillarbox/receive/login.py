"""The logins of one session: who the client is, or a refusal that does not say why.

A client learns only whether it may log in: whatever is wrong, the answer has the same text and
takes the same time. The cause is found out after the answer, and reported to the operator. A login
is valid as long as its credential is: it is checked again at each MAIL.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final

from pillarbox.access.answers import Admitted, Answer, Denied
from pillarbox.access.failures import Application
from pillarbox.events.types import AuthAccepted, AuthRefused
from pillarbox.policy.autopsy import HIDDEN, Autopsy, Cause, shown_identity
from pillarbox.policy.senders import NOBODY, Senders
from pillarbox.receive.line import Line
from pillarbox.receive.refusals import BAD_PASSWORD, LOGIN_BUSY, TOO_MANY_LOGINS
from pillarbox.receive.service import Service
from pillarbox.smtp import replies
from pillarbox.smtp.authentication import CODED_TWICE
from pillarbox.smtp.events import AuthAttempted, AuthFailed, AuthLookup
from pillarbox.smtp.reply import Reply
from pillarbox.smtp.sasl.claims import Claim, CramClaim, PasswordClaim, ProofClaim, TokenClaim
from pillarbox.smtp.sasl.mechanism import NOTHING_GIVEN
from pillarbox.smtp.sasl.registry import MECHANISMS
from pillarbox.smtp.server import ServerConnection

__all__ = ["Login"]

_MOST_MECHANISMS: Final = 6  # remembered of a session
_OTHER_MECHANISMS: Final = frozenset(
    {"DIGEST-MD5", "NTLM", "GSSAPI", "GS2-KRB5", "EXTERNAL", "ANONYMOUS", "SCRAM-SHA-1", "MSN"}
)
_UNKNOWN_MECHANISM: Final = "(unknown)"  # what stands there may be a password
_FAILURES: Final[dict[Reply, Cause]] = {
    replies.ENCRYPTION_REQUIRED: Cause.NOT_BEFORE_TLS,
    replies.UNKNOWN_MECHANISM: Cause.NOT_OFFERED,
    replies.AUTHENTICATION_CANCELED: Cause.CANCELED,
    replies.BAD_BASE64: Cause.NOT_BASE64,
}
_REASONS: Final[dict[str, Cause]] = {
    CODED_TWICE: Cause.ENCODED_TWICE,
    NOTHING_GIVEN: Cause.EMPTY_SECRET,
}


class Login:
    """The client's proven identity in a session, and its attempts."""

    __slots__ = (
        "_admitted",
        "_connection",
        "_is_gone",
        "_line",
        "_mechanisms",
        "_on_decided",
        "_service",
        "helo",
    )

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
        self._admitted: Admitted | None = None
        self._mechanisms: list[str] = []
        self.helo = ""
        """The name in EHLO, by which the operator knows the client."""

    @property
    def identity(self) -> str:
        """The credential that the client has logged in with, "" for none."""
        return "" if self._admitted is None else self._admitted.identity

    @property
    def senders(self) -> Senders:
        """The addresses that the credential itself owns."""
        return NOBODY if self._admitted is None else self._admitted.senders

    @property
    def holds(self) -> bool:
        """Whether the login is still valid; no login always is."""
        return self._admitted is None or self._admitted.is_valid()

    def forget(self) -> None:
        """Forget the login: what was said before TLS does not count (RFC 3207 §4.2)."""
        self._admitted = None

    def lost(self) -> None:
        """Answer nothing any more; the connection is gone."""
        self._is_gone = True

    def attempted(self, event: AuthAttempted) -> None:
        """Judge a claim, at once or later."""
        service = self._service
        self._note(event.mechanism)
        refusal = self._too_many(event)
        if refusal is not None:
            self._tell_refused(event, Autopsy(cause=Cause.TOO_MANY_FAILURES), is_clear=False)
            self._refuse(refusal)
            return
        answer = service.access.authenticator.check(event.claim, now=service.monotonic())
        if isinstance(answer, asyncio.Future):
            answer.add_done_callback(partial(self._checked, event))
        else:
            self._judge(event, answer)

    def _too_many(self, event: AuthAttempted) -> Reply | None:
        """Return the reply to a login that is not checked, or None."""
        service, client, now = self._service, self._line.client, self._service.clock.now()
        if service.guesses.are_too_many(client, event.identity, now):
            return TOO_MANY_LOGINS
        return LOGIN_BUSY if service.guesses.is_closed(client, event.identity, now) else None

    def looked_up(self, event: AuthLookup) -> None:
        """Supply what is stored for a user; for an unknown one, what looks the same (RFC 5802
        §5.1).
        """
        verifier = self._service.access.authenticator.verifier(event.request.identity)
        self._connection.supply(verifier)

    def failed(self, event: AuthFailed) -> None:
        """Report an exchange that ended without a claim."""
        mechanism = self._note(event.mechanism)
        cause = _FAILURES.get(event.reply) or _REASONS.get(event.reason, Cause.MALFORMED)
        detail = event.reason if cause is Cause.MALFORMED else ""
        if cause is Cause.NOT_OFFERED:
            detail = f"{mechanism}; offered are {', '.join(self._service.options.auth_mechanisms)}"
        self._tell(mechanism, "", Autopsy(cause=cause, detail=detail))

    # --- the answer -----------------------------------------------------------------

    def _checked(self, event: AuthAttempted, checked: asyncio.Future[Answer]) -> None:
        failed = checked.cancelled() or checked.exception() is not None
        self._judge(event, Denied(Cause.BUSY) if failed else checked.result())

    def _judge(self, event: AuthAttempted, answer: Answer) -> None:
        if isinstance(answer, Admitted):
            kept_out = self._kept_out(answer)
            if kept_out is None:
                self._accept(event, answer)
                return
            answer = kept_out
        if answer.is_temporary:
            self._refuse_and_examine(event, answer, LOGIN_BUSY)
            return
        service = self._service
        client, user = self._line.client, event.identity
        delay = service.guesses.failed(client, user, service.clock.now())
        if delay:
            loop = asyncio.get_running_loop()
            loop.call_later(delay, self._refuse_and_examine, event, answer, BAD_PASSWORD)
        else:
            self._refuse_and_examine(event, answer, BAD_PASSWORD)

    def _kept_out(self, admitted: Admitted) -> Denied | None:
        """Return why a known identity may not log in through this listener."""
        service, name = self._service, admitted.credential or admitted.identity
        if service.projects and admitted.project not in service.projects:
            shown = f"`{admitted.project}`" if admitted.project else "none"
            return Denied(Cause.OTHER_PROJECT, admitted.source, shown, name)
        if service.sandbox is not None and service.sandbox is not admitted.is_sandbox:
            cause = Cause.SANDBOX_ONLY if admitted.is_sandbox else Cause.NOT_SANDBOX
            return Denied(cause, admitted.source, credential=name)
        return None

    def _accept(self, event: AuthAttempted, admitted: Admitted) -> None:
        service = self._service
        self._admitted = admitted
        at = service.clock.now()
        service.failures.succeeded(self.helo, self._line.client, at)
        service.guesses.succeeded(self._line.client, event.identity, at)
        service.sink(
            AuthAccepted(
                at=at,
                session=self._line.id,
                client=self._line.client,
                mechanism=event.mechanism,
                identity=admitted.identity,
                credential=admitted.credential,
                source=admitted.source,
            )
        )
        if admitted.credential and service.access.directory is not None:
            service.access.directory.used(admitted.credential, self._line.client)
        if not self._is_gone:
            self._connection.accept()
            self._on_decided(True)  # noqa: FBT003 - a callback has no keywords

    def _refuse_and_examine(self, event: AuthAttempted, denied: Denied, reply: Reply) -> None:
        # The answer first: nothing that is found out about a login may be told by its time.
        self._refuse(reply)
        examiner = self._service.access.examiner
        autopsy = examiner.at_once(event.claim, denied)
        if autopsy is not None:
            self._tell_refused(event, autopsy, is_clear=True)
            return
        looking = asyncio.ensure_future(examiner.examine(event.claim, denied))
        looking.add_done_callback(partial(self._examined, event, denied))

    def _refuse(self, reply: Reply) -> None:
        if not self._is_gone:
            self._connection.refuse(reply)
            self._on_decided(False)  # noqa: FBT003

    # --- the operator ---------------------------------------------------------------

    def _examined(
        self,
        event: AuthAttempted,
        denied: Denied,
        looking: asyncio.Future[tuple[Autopsy, bool]],
    ) -> None:
        if looking.cancelled() or looking.exception() is not None:
            self._tell_refused(event, Autopsy(cause=denied.cause), is_clear=False)
        else:
            autopsy, is_clear = looking.result()
            self._tell_refused(event, autopsy, is_clear=is_clear)

    def _tell_refused(self, event: AuthAttempted, autopsy: Autopsy, *, is_clear: bool) -> None:
        user = event.identity
        is_known = self._service.access.examiner.knows(user)
        shown = shown_identity(user, is_known=is_known, secret=_secret_of(event.claim))
        if not is_known and autopsy.credential:
            shown = autopsy.credential  # what was said instead may hold the secret
        elif not is_known and not is_clear:
            shown = HIDDEN
        self._tell(event.mechanism, shown, autopsy)

    def _tell(self, mechanism: str, identity: str, autopsy: Autopsy) -> None:
        service, line = self._service, self._line
        at = service.clock.now()
        service.sink(
            AuthRefused(
                at=at,
                session=line.id,
                client=line.client,
                mechanism=mechanism,
                identity=identity,
                reason=str(autopsy),
                cause=autopsy.cause.value,
                credential=autopsy.credential,
                changed_at=autopsy.changed_at,
                helo=self.helo,
                listener=service.name,
            )
        )
        application = Application(self.helo, line.client, tuple(self._mechanisms))
        service.failures.failed(application, autopsy, user=identity, listener=service.name, at=at)

    def _note(self, mechanism: str) -> str:
        """Remember in which order mechanisms are tried; return the name as it may be shown."""
        name = mechanism.upper()
        if name not in MECHANISMS and name not in _OTHER_MECHANISMS:
            name = _UNKNOWN_MECHANISM
        if len(self._mechanisms) < _MOST_MECHANISMS and name not in self._mechanisms:
            self._mechanisms.append(name)
        return name


def _secret_of(claim: Claim) -> str:
    match claim:
        case PasswordClaim():
            return claim.password
        case TokenClaim():
            return claim.token
        case ProofClaim() | CramClaim():
            return ""
