"""Password guessing: answers get slower, then 421 ends the session, then the client is banned.

Failures are counted per client (an IPv4 address, an IPv6 /64), so that nobody can lock others out
of their accounts from afar. Only an account that is attacked from many addresses is closed for a
while to addresses that it never used; the addresses from which a user has logged in recently always
get an answer. All tables are bounded; their keys are keyed hashes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final

from pillarbox.config.settings import GuessSettings
from pillarbox.events.types import ClientBanned, ClientUnbanned, LoginsSprayed, Sink
from pillarbox.policy.networks import TrustedNetworks, parse_network
from pillarbox.receive.bounded import BoundedTable
from pillarbox.receive.clients import ClientKey, LeakyTable, client_key, show_client, shown_key
from pillarbox.receive.spray import Spray

__all__ = ["Ban", "Guesses"]

_CLIENTS: Final = 100_000
_ACCOUNTS: Final = 100_000
_BANS: Final = 10_000
_KNOWN_USERS: Final = 50_000
_KNOWN_OF_USER: Final = 32  # addresses
_LONGEST_BAN: Final = 86_400.0
_HOUR: Final = 3_600.0
_RENEW: Final = 86_400.0  # seconds after which it is noted again that an address is known
_HASH_OCTETS: Final = 8
# Every API key, and every token that names nobody, comes under these; who guesses one attacks
# no account, and must not close the door to all others.
_OF_NOBODY: Final = frozenset({"", "apikey"})


@dataclass(frozen=True, slots=True)
class Ban:
    """A banned client."""

    client: str  # as it is shown
    since: float
    until: float
    failures: int
    times: int = 1  # how often it was banned within a day of the one before


class Guesses:
    """Applies the consequences of failed logins."""

    def __init__(
        self,
        settings: GuessSettings | None = None,
        *,
        key: bytes = b"",
        sink: Sink = lambda _: None,
        size: int = _CLIENTS,
    ) -> None:
        """Know of nobody.

        Args:
            settings: What follows.
            key: Hashes user names.
            sink: Hears of bans.
            size: Clients, and accounts, that are remembered.
        """
        self._hash = partial(hashlib.blake2b, key=key, digest_size=_HASH_OCTETS)
        self._sink = sink
        self._size = size
        self._failures = LeakyTable(size)
        self._accounts = LeakyTable(min(size, _ACCOUNTS))
        self._bans: BoundedTable[ClientKey, Ban] = BoundedTable(_BANS)
        self._known: dict[bytes, dict[ClientKey, float]] = {}
        self._known_clients: dict[ClientKey, int] = {}  # for how many users
        self._spray = Spray()
        self.on_ban: Callable[[Ban], None] = _ignore
        self.on_known: Callable[[str], None] = _ignore
        self.use(settings or GuessSettings())

    def use(self, settings: GuessSettings) -> None:
        """Use other settings; counts stay."""
        self._settings = settings
        networks = map(parse_network, settings.except_networks)
        self._exempt = TrustedNetworks(each for each in networks if each is not None)

    @property
    def sizes(self) -> dict[str, int]:
        """How much is remembered, by table."""
        return {
            "clients": len(self._failures),
            "accounts": len(self._accounts),
            "bans": len(self._bans),
            "known": sum(map(len, self._known.values())),
        }

    # --- before a login is judged ----------------------------------------------------

    def turns_away(self, address: str, now: float) -> bool:
        """Whether a client is banned, whoever it claims to be."""
        if not self._bans:
            return False
        key = client_key(address)
        return self._is_banned(key, now) and key not in self._known_clients

    def are_too_many(self, address: str, user: str, now: float) -> bool:
        """Whether a client has failed so often that a login of ``user`` is not checked."""
        key = client_key(address)
        return self._is_banned(key, now) and not self._is_known(self._user(user), key, now)

    def is_closed(self, address: str, user: str, now: float) -> bool:
        """Whether an account is under such attack that only known addresses may try it."""
        most = self._settings.account_failures
        if not most:
            return False
        account = self._user(user)
        if round(self._accounts.count(account, now, _HOUR / most)) < most:
            return False
        return not self._is_known(account, client_key(address), now)

    # --- after -----------------------------------------------------------------------

    def failed(self, address: str, user: str, now: float) -> float:
        """Count a failure; return the seconds to wait before it is answered."""
        settings = self._settings
        key, account = client_key(address), self._user(user)
        failures = round(self._failures.add(key, now, settings.forgive_every))
        if user.casefold() not in _OF_NOBODY and not self._is_known(account, key, now):
            if settings.account_failures:
                self._accounts.add(account, now, _HOUR / settings.account_failures)
            self._notice_spray(account, key, now)
        if settings.ban_after and failures >= settings.ban_after and address not in self._exempt:
            self._ban(key, failures, now)
        over = failures - settings.free_failures
        if over <= 0:
            return 0.0
        delay = settings.first_delay * (1 << min(over - 1, 20))
        return min(delay, settings.longest_delay)

    def succeeded(self, address: str, user: str, now: float) -> None:
        """Remember an address as one that a user logs in from."""
        key, account = client_key(address), self._user(user)
        known = self._known.get(account, {}).get(key)
        self._remember(account, key, now)
        if known is None or now - known > _RENEW:
            self.on_known(f"{account.hex()} {show_client(key)}")
        else:
            self._known[account][key] = known  # it is to be noted again in a day

    # --- bans ------------------------------------------------------------------------

    def bans(self, now: float) -> tuple[Ban, ...]:
        """Return the bans in force."""
        return tuple(ban for ban in self._bans.values() if now < ban.until)

    def put(self, bans: Iterable[Ban]) -> None:
        """Adopt bans that were stored, or that other nodes have imposed."""
        for ban in bans:
            self._bans.put(shown_key(ban.client), ban)

    def lift(self, client: str, now: float) -> str | None:
        """Lift a client's ban.

        Args:
            client: As ``show_client`` returns it, or one of its addresses.
            now: The wall clock.

        Returns:
            The client, as it is shown; None: there was no ban.
        """
        key = shown_key(client)
        self._failures.forget(key)
        ban = self._bans.pop(key)
        if ban is None or now >= ban.until:
            return None
        self._sink(ClientUnbanned(at=now, client=ban.client))
        return ban.client

    def know(self, note: str, at: float) -> None:
        """Adopt what ``on_known`` was told, perhaps by another node."""
        account, _, client = note.partition(" ")
        self._remember(bytes.fromhex(account), shown_key(client), at)

    def _ban(self, key: ClientKey, failures: int, now: float) -> None:
        last = self._bans.get(key)
        if last is not None and now < last.until:
            return
        times = 1 if last is None or now > last.until + _LONGEST_BAN else last.times + 1
        lasts = min(self._settings.ban_time * (1 << min(times - 1, 16)), _LONGEST_BAN)
        ban = Ban(show_client(key), now, now + lasts, failures, times)
        self._bans.put(key, ban)
        self.on_ban(ban)
        self._sink(
            ClientBanned(at=now, client=ban.client, until=ban.until, failures=failures, times=times)
        )

    def _is_banned(self, key: ClientKey, now: float) -> bool:
        ban = self._bans.get(key)
        return ban is not None and now < ban.until

    # --- accounts --------------------------------------------------------------------

    def _user(self, user: str) -> bytes:
        return self._hash(user.casefold().encode(errors="surrogatepass")).digest()

    def _is_known(self, account: bytes, key: ClientKey, now: float) -> bool:
        at = self._known.get(account, {}).get(key)
        return at is not None and now - at < self._settings.known_for

    def _remember(self, account: bytes, key: ClientKey, at: float) -> None:
        clients = self._known.pop(account, {})
        self._known[account] = clients  # at the end: the most recent
        if clients.pop(key, None) is None:
            self._known_clients[key] = self._known_clients.get(key, 0) + 1
        clients[key] = at
        if len(clients) > _KNOWN_OF_USER:
            oldest = min(clients, key=clients.__getitem__)
            del clients[oldest]
            self._unknow(oldest)
        if len(self._known) > min(self._size, _KNOWN_USERS):
            for gone in self._known.pop(next(iter(self._known))):
                self._unknow(gone)

    def _unknow(self, key: ClientKey) -> None:
        self._known_clients[key] -= 1
        if not self._known_clients[key]:
            del self._known_clients[key]

    def _notice_spray(self, account: bytes, key: ClientKey, now: float) -> None:
        settings = self._settings
        if not settings.spray_addresses:
            return
        seen = self._spray.failed(
            account, key, now, accounts=settings.spray_accounts, clients=settings.spray_addresses
        )
        if seen is not None:
            self._sink(
                LoginsSprayed(
                    at=now,
                    accounts=seen.accounts,
                    clients=seen.clients,
                    failures=seen.failures,
                    seconds=round(now - seen.since, 1),
                )
            )

    @property
    def spray(self) -> Spray:
        """The current password spray, if any."""
        return self._spray


def _ignore(_: object) -> None:
    return
