"""Bearer tokens: a small authorization server signs them, publishes its keys, and is asked."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import warnings
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest
from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey

from pillarbox.access.answers import Admitted, Answer
from pillarbox.access.sources.introspection import TokenIntrospection
from pillarbox.access.sources.jwks import TokenIssuer
from pillarbox.config.settings import SourceKind, SourceSettings
from pillarbox.errors import PermanentError
from pillarbox.smtp.sasl.claims import TokenClaim

START = 1_700_000_000.0
AUDIENCE = "smtp.local.test"
_ALGORITHMS: dict[str, Callable[[], Key]] = {
    "RS256": lambda: RSAKey.generate_key(2048),
    "ES256": lambda: ECKey.generate_key("P-256"),
    "EdDSA": lambda: OKPKey.generate_key("Ed25519"),
}


@dataclass
class Authority:
    """An authorization server: what it publishes, and what it was asked."""

    url: str = ""
    keys: dict[str, Key] = field(default_factory=dict)
    active: dict[str, dict[str, Any]] = field(default_factory=dict)  # by token
    asked: list[str] = field(default_factory=list)
    is_broken: bool = False
    delay: float = 0.0

    def add_key(self, key_id: str, algorithm: str = "ES256") -> None:
        """Publish a key."""
        key = _ALGORITHMS[algorithm]()
        self.keys[key_id] = key

    def token(
        self,
        key_id: str = "one",
        *,
        algorithm: str = "ES256",
        header: dict[str, str] | None = None,
        **changes: Any,
    ) -> str:
        """Sign a token that is right but for the changes; None removes a claim."""
        claims = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "1234",
            "email": "ann@local.test",
            "iat": START,
            "exp": START + 300.0,
            "scope": "openid smtp",
            **changes,
        }
        kept = {name: value for name, value in claims.items() if value is not None}
        full = {"alg": algorithm, "kid": key_id, **(header or {})}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)  # EdDSA has got another name
            return jwt.encode(full, kept, self.keys[key_id], algorithms=[algorithm])

    def answer(self, path: str, body: str, login: str) -> tuple[int, object]:
        """Return status and body of an answer."""
        self.asked.append(path)
        time.sleep(self.delay)
        if self.is_broken:
            return 500, "<html>sorry</html>"
        if path == "/.well-known/openid-configuration":
            return 200, {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        if path == "/keys":
            public = [
                {**key.as_dict(private=False), "kid": key_id} for key_id, key in self.keys.items()
            ]
            return 200, {"keys": [*public, {"kty": "RSA", "kid": "broken"}, {"kty": "odd"}, 7]}
        if path == "/introspect":
            if login != "pillarbox:s%3Acret":
                return 401, {}
            (token,) = parse_qs(body)["token"]
            return 200, self.active.get(token, {"active": False})
        return 404, {}


@pytest.fixture
def authority() -> Iterator[Authority]:
    """Start the server."""
    made = Authority()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length).decode()
            scheme, _, encoded = self.headers.get("Authorization", "").partition(" ")
            login = b64decode(encoded).decode() if scheme == "Basic" else ""
            status, content = made.answer(self.path, body, login)
            octets = content.encode() if isinstance(content, str) else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(octets)))
            self.end_headers()
            self.wfile.write(octets)

        do_GET = do_POST = _answer  # noqa: N815 - the names that the library looks for

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def jwks(authority: Authority, **changes: Any) -> SourceSettings:
    """Return settings for tokens that we verify."""
    settings = SourceSettings(
        kind=SourceKind.JWKS, issuer=authority.url, audiences=(AUDIENCE,), scope="smtp", timeout=2.0
    )
    return replace(settings, **changes)


class Clock:
    """A wall clock that a test moves."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


async def asked(source: TokenIssuer | TokenIntrospection, token: str, user: str = "") -> Answer:
    """Return what a source says of a token."""
    claim = TokenClaim(user, token)
    answer = source.at_once(claim) or await source.judge(claim)
    assert not token or token not in repr(answer)
    return answer


def shown(answer: Answer) -> str:
    """Return who is let in, or why nobody is."""
    return answer.identity if isinstance(answer, Admitted) else answer.cause.value


def judged(settings: SourceSettings, *tokens: str, user: str = "") -> list[str]:
    """Return what comes of each token."""

    async def main() -> list[str]:
        source = TokenIssuer("sso", settings, Clock())
        try:
            return [shown(await asked(source, token, user)) for token in tokens]
        finally:
            source.close()

    return asyncio.run(main())


def part(value: object) -> str:
    """Return a value as a part of a token."""
    return urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_a_right_token_lets_its_user_in(authority: Authority, algorithm: str) -> None:
    """The keys are found by the issuer's configuration, or at a URL that is given."""
    authority.add_key("one", algorithm)
    token = authority.token(algorithm=algorithm)
    assert judged(jwks(authority), token) == ["ann@local.test"]
    assert judged(jwks(authority, url=f"{authority.url}/keys"), token) == ["ann@local.test"]
    assert judged(jwks(authority), token, user="Ann@local.test") == ["ann@local.test"]
    assert judged(jwks(authority), token, user="bob@local.test") == ["token_user"]


def test_each_claim_is_looked_at(authority: Authority) -> None:
    """Issuer, audience, times with their skew, scope and user are all demanded."""
    authority.add_key("one")
    make = authority.token
    cases = {
        make(aud=[AUDIENCE, "other"]): "ann@local.test",
        make(scope=None, scp=["smtp"]): "ann@local.test",
        make(exp=START - 59.0): "ann@local.test",
        make(iss="https://evil.test"): "token_issuer",
        make(iss=None): "token_issuer",
        make(aud="other"): "token_audience",
        make(aud=None): "token_audience",
        make(exp=START - 61.0): "token_expired",
        make(exp=None): "token_expired",
        make(exp="never"): "token_expired",
        make(nbf=START + 61.0): "token_not_yet_valid",
        make(iat=START + 3600.0, exp=START + 9000.0): "clock_skew",
        make(scope="openid"): "token_scope",
        make(email=None): "token_user",
        make(email=["ann@local.test"]): "token_user",
        make(email="a\nb"): "token_user",
    }
    assert judged(jwks(authority), *cases) == list(cases.values())


def test_forged_tokens_are_refused(authority: Authority) -> None:
    """No algorithm, a key of ours as a secret, another's key, a changed body: none lets in."""
    authority.add_key("one")
    good = authority.token()
    header, body, signature = good.split(".")
    public = json.dumps(authority.keys["one"].as_dict(private=False))
    other = Authority(url=authority.url)
    other.add_key("one")
    claims = {"iss": authority.url, "aud": AUDIENCE, "email": "eve@local.test", "exp": START + 9}
    by_secret = jwt.encode(
        {"alg": "HS256", "kid": "one"}, claims, OctKey.import_key(public), algorithms=["HS256"]
    )
    cases = {
        f"{part({'alg': 'none'})}.{part(claims)}.": "token_algorithm",
        f"{part({'alg': 'None', 'kid': 'one'})}.{part(claims)}.": "token_algorithm",
        by_secret: "token_algorithm",
        other.token(): "token_signature",
        f"{header}.{part(claims)}.{signature}": "token_signature",
        f"{header}.{body}.": "token_signature",
        f"{part({'alg': 'RS256', 'kid': 'one'})}.{body}.{signature}": "token_key",
        f"{part({'alg': 'ES256', 'kid': 'two'})}.{body}.{signature}": "token_key",
        f"{part({'alg': 'ES256', 'kid': 'one', 'crit': ['x'], 'x': 1})}.{body}.{signature}": (
            "token_malformed"
        ),
        "": "token_malformed",
        "a.b": "token_malformed",
        "a.b.c": "token_malformed",
        f"{part([])}.{body}.{signature}": "token_malformed",
        f"{part({'alg': 1})}.{body}.{signature}": "token_malformed",
        "x" * 20_000: "token_malformed",
        good: "ann@local.test",
    }
    found = judged(jwks(authority), *cases)
    for token, cause in zip(cases, found, strict=True):
        assert cause == cases[token] or {cause, cases[token]} == {
            "token_signature",
            "token_malformed",
        }, token[:60]


def test_a_rotated_key_is_fetched_and_strangers_cannot_make_us_ask(authority: Authority) -> None:
    """A key id that is not known is looked for, but not more often than every ten seconds."""
    authority.add_key("one")
    clock = Clock()

    async def main() -> None:
        source = TokenIssuer("sso", jwks(authority), clock)
        assert shown(await asked(source, authority.token())) == "ann@local.test"
        assert authority.asked.count("/keys") == 1
        authority.add_key("two")
        token = authority.token("two")
        stranger = f"{part({'alg': 'ES256', 'kid': 'x'})}.e30.AA"
        for _ in range(20):
            assert shown(await asked(source, stranger)) == "token_key"
        assert authority.asked.count("/keys") == 1
        clock.now += 11.0
        answers = await asyncio.gather(*(asked(source, token) for _ in range(20)))
        assert {shown(each) for each in answers} == {"ann@local.test"}
        assert authority.asked.count("/keys") == 2
        source.close()

    asyncio.run(main())


def test_an_issuer_that_is_down_is_no_wrong_token(authority: Authority) -> None:
    """Without keys the answer is temporary; with keys that are known, logins go on."""
    authority.add_key("one")
    authority.is_broken = True
    clock = Clock()

    async def main() -> None:
        source = TokenIssuer("sso", jwks(authority), clock)
        assert shown(await asked(source, authority.token())) == "source_down"
        authority.is_broken = False
        clock.now += 11.0
        assert shown(await asked(source, authority.token())) == "ann@local.test"
        authority.is_broken = True
        clock.now += 3_600.0
        late = authority.token(exp=clock.now + 9.0, iat=clock.now)
        assert shown(await asked(source, late)) == "ann@local.test"
        authority.add_key("two")
        clock.now += 11.0
        unseen = authority.token("two", exp=clock.now + 9.0)
        assert shown(await asked(source, unseen)) == "source_down"
        clock.now += 90_000.0
        assert shown(await asked(source, late)) == "source_down"
        source.close()

    asyncio.run(main())


def test_a_login_ends_with_its_token(authority: Authority) -> None:
    """An open session is over when its token is."""
    authority.add_key("one")
    clock = Clock()

    async def main() -> None:
        source = TokenIssuer("sso", jwks(authority), clock)
        answer = await asked(source, authority.token())
        assert isinstance(answer, Admitted)
        assert answer.is_valid()
        clock.now += 361.0
        assert not answer.is_valid()
        source.close()

    asyncio.run(main())


def test_introspection_asks_the_issuer(authority: Authority) -> None:
    """The server decides whether a token is active; what else it says is looked at as well."""
    active = {"active": True, "email": "ann@local.test", "aud": AUDIENCE, "scope": "smtp"}
    authority.active = {
        "good": active,
        "else": {**active, "aud": "other"},
        "over": {**active, "exp": START - 100.0},
        "text": {**active, "active": "true"},
    }
    settings = SourceSettings(
        kind=SourceKind.INTROSPECTION,
        url=f"{authority.url}/introspect",
        audiences=(AUDIENCE,),
        scope="smtp",
        client_id="pillarbox",
        client_secret="s:cret",
        timeout=1.0,
    )
    clock = Clock()

    async def main() -> None:
        source = TokenIntrospection("sso", settings, clock)
        tokens = ("good", "else", "over", "text", "unknown&token=good", "")
        assert [shown(await asked(source, token)) for token in tokens] == [
            "ann@local.test",
            "token_audience",
            "token_expired",
            "token_inactive",
            "token_inactive",
            "token_malformed",
        ]
        answer = await asked(source, "good")
        assert isinstance(answer, Admitted)
        clock.now += 61.0
        assert not answer.is_valid()  # it is asked again at the next login
        authority.is_broken = True
        assert shown(await asked(source, "good")) == "source_down"
        authority.is_broken, authority.delay = False, 1.5
        assert shown(await asked(source, "good")) == "source_down"
        source.close()
        wrong = TokenIntrospection("sso", replace(settings, client_secret="no"), clock)
        authority.delay = 0.0
        assert shown(await asked(wrong, "good")) == "source_down"
        wrong.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": ""},
        {"audiences": ()},
        {"algorithms": ("HS256", "none")},
        {"issuer": "http://sso.example.org"},
        {"url": "ftp://sso.example.org"},
    ],
)
def test_settings_that_would_trust_anybody_are_refused(changes: dict[str, Any]) -> None:
    """No issuer, no audience, a symmetric algorithm, or keys over the open network."""
    settings = SourceSettings(
        kind=SourceKind.JWKS, issuer="https://sso.example.org", audiences=(AUDIENCE,)
    )
    with pytest.raises(PermanentError):
        TokenIssuer("sso", replace(settings, **changes), Clock())


def test_no_secret_is_printed() -> None:
    """Neither the settings nor a claim show what they hold."""
    settings = SourceSettings(
        kind=SourceKind.LDAP, client_secret="canary-secret", bind_password="canary-secret"
    )
    assert "canary" not in repr(settings) + repr(TokenClaim("ann", "canary-token"))
    assert b64encode(b"canary-secret").decode() not in repr(settings)
