"""AUTH in a server connection: the offered mechanisms, the exchange, its claims (RFC 4954 §4)."""

from __future__ import annotations

from pillarbox.smtp import commands, events, replies
from pillarbox.smtp.authentication import MAX_EXCHANGE_LINE, Exchange
from pillarbox.smtp.options import ServerOptions, offered_mechanisms
from pillarbox.smtp.refusal import RefusedError
from pillarbox.smtp.reply import Reply
from pillarbox.smtp.sasl.claims import Claim, ProofClaim, ScramRequest, ScramVerifier
from pillarbox.smtp.sasl.mechanism import ServerSetting
from pillarbox.smtp.sasl.registry import MECHANISMS, Trait
from pillarbox.smtp.server_core import Reading, ServerCore
from pillarbox.smtp.session import Verb

__all__ = ["AuthenticatingCore"]


class AuthenticatingCore(ServerCore):
    """The part of a connection that lets a client log in."""

    def __init__(self, options: ServerOptions) -> None:
        super().__init__(options)
        self._exchange: Exchange | None = None
        self._channel_binding: bytes | None = None

    def supply(self, verifier: ScramVerifier) -> None:
        """Answer the open ``AuthLookup``."""
        if not isinstance(self._question, events.AuthLookup) or self._exchange is None:
            raise RuntimeError("no AuthLookup is open")
        self._take_question()
        self._go_on_with(self._exchange, self._exchange.supply(verifier))

    def _read_response(self) -> bool:
        exchange = self._exchange
        if exchange is None:
            return False
        try:
            line = self._lines.take_line(MAX_EXCHANGE_LINE, replies.RESPONSE_TOO_LONG)
            if line is None:
                return False
            if exchange.refusal is not None:
                self._end_exchange(exchange.refusal)
                return True
            self._go_on_with(exchange, exchange.respond(line))
        except RefusedError as error:
            self._fail_auth(exchange.mechanism, error.reply, error.reason)
        return True

    def _on_auth(self, command: commands.Auth) -> None:
        options, mechanism = self._options, command.mechanism
        if not options.auth_mechanisms:
            self._fail(Verb.AUTH.value, replies.NOT_IMPLEMENTED)
            return
        if not self._lets_pass(Verb.AUTH):
            return
        offered = self._offered_mechanisms()
        if mechanism in offered:
            self._start_exchange(command, offered)
        elif not self._session.is_encrypted and (
            not offered or mechanism in options.auth_mechanisms
        ):
            self._fail_auth(mechanism, replies.ENCRYPTION_REQUIRED)
        else:
            self._fail_auth(mechanism, replies.UNKNOWN_MECHANISM)

    def _offered_mechanisms(self) -> tuple[str, ...]:
        return offered_mechanisms(
            self._options,
            is_encrypted=self._session.is_encrypted,
            has_binding=self._channel_binding is not None,
        )

    def _start_exchange(self, command: commands.Auth, offered: tuple[str, ...]) -> None:
        options, mechanism = self._options, command.mechanism
        setting = ServerSetting(
            hostname=options.hostname,
            nonce=options.new_nonce,
            channel_binding=self._channel_binding,
            offers_binding=any(MECHANISMS[name].trait is Trait.BINDS for name in offered),
            token_scope=options.token_scope,
            token_discovery=options.token_discovery,
        )
        exchange = Exchange(mechanism, MECHANISMS[mechanism].server(setting))
        try:
            self._go_on_with(exchange, exchange.start(command.initial_response))
        except RefusedError as error:
            self._fail_auth(mechanism, error.reply, error.reason)

    def _go_on_with(self, exchange: Exchange, step: Reply | Claim | ScramRequest) -> None:
        self._exchange = exchange
        if isinstance(step, Reply):
            self._reading = Reading.RESPONSE
            self._send(step)
            return
        self._reading = Reading.COMMAND
        if isinstance(step, ScramRequest):
            self._ask(events.AuthLookup(exchange.mechanism, step))
        else:
            self._ask(events.AuthAttempted(exchange.mechanism, step))

    def _refuse_auth(self, reply: Reply) -> None:
        """Refuse a claim, perhaps with an explanation before."""
        exchange = self._exchange
        said = reply if exchange is None else exchange.refuse(reply)
        if said is reply:
            self._end_exchange(reply)
        else:
            self._reading = Reading.RESPONSE
            self._send(said)

    def _fail_auth(self, mechanism: str, reply: Reply, reason: str = "") -> None:
        """Refuse an AUTH that the driver is not asked about."""
        self._events.append(events.AuthFailed(mechanism, reply, reason))
        self._end_exchange(reply)

    def _end_exchange(self, reply: Reply) -> None:
        self._exchange = None
        self._reading = Reading.COMMAND
        self._count_error(reply)
        self._send(reply, "not SMTP")

    def _accept_auth(self, question: events.AuthAttempted, reply: Reply | None) -> None:
        claim = question.claim
        if isinstance(claim, ProofClaim) and not claim.is_proven:
            raise RuntimeError("a proof that failed cannot be accepted")
        self._exchange = None
        self._session.advance(Verb.AUTH)
        self._send(reply or replies.AUTHENTICATED)
