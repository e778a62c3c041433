"""Laws of the relay policy, for policies that chance has written."""

from __future__ import annotations

from hypothesis import given, settings, strategies as st

from pillarbox.policy.networks import TrustedNetworks, parse_network
from pillarbox.policy.patterns import CredentialNames, RecipientDomains
from pillarbox.policy.recipients import LocalDomain, LocalDomains
from pillarbox.policy.relay import BuiltIn, Gate, RelayPolicy
from pillarbox.policy.relay_explanation import explain
from pillarbox.policy.relay_proof import is_meant, prove
from pillarbox.policy.rules import Client, Owner, Rule
from pillarbox.policy.senders import Senders
from pillarbox.smtp.address import Mailbox

LISTENERS = ("mx", "submission")
SENDERS = ("*", "<>", "@a.test", "@*.a.test", "x@b.test", "n-*@b.test")
DOMAINS = ("*", "a.test", "*.a.test", "b.test", "*.test", "local.test")
NETWORKS = ("10.0.0.0/8", "10.1.0.0/16", "203.0.113.0/24", "fd00::/8")
NAMES = ("*", "shop", "shop-*", "*-x")
ADDRESSES = ("10.1.2.3", "10.9.9.9", "203.0.113.5", "198.51.100.1", "fd00::1", "2001:db8::1")


def some(values: tuple[str, ...]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=2, unique=True)


def perhaps(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.none() | strategy


def networks(texts: list[str]) -> TrustedNetworks:
    return TrustedNetworks(each for text in texts if (each := parse_network(text)) is not None)


rules = st.builds(
    Rule,
    name=st.just("rule"),
    allows=st.booleans(),
    listeners=perhaps(some(LISTENERS).map(frozenset)),
    credentials=perhaps(some(NAMES).map(CredentialNames)),
    networks=perhaps(some(NETWORKS).map(networks)),
    senders=perhaps(some(SENDERS).map(Senders)),
    recipients=perhaps(some(DOMAINS).map(RecipientDomains)),
)
owners = st.builds(
    Owner,
    name=st.just("owner"),
    senders=some(SENDERS).map(Senders),
    credentials=perhaps(some(NAMES).map(CredentialNames)),
    networks=perhaps(some(NETWORKS).map(networks)),
)
gates = st.builds(
    Gate,
    must_log_in=st.booleans(),
    trusted=st.just([]).map(networks) | some(NETWORKS).map(networks),
)


@st.composite
def policies(draw: st.DrawFn) -> RelayPolicy:
    listed = [
        Rule(**{**{name: getattr(rule, name) for name in Rule.__slots__}, "name": f"rule-{number}"})
        for number, rule in enumerate(draw(st.lists(rules, max_size=5)))
    ]
    return RelayPolicy(
        gates={name: draw(gates) for name in LISTENERS},
        domains=LocalDomains([LocalDomain(name="local.test", recipients=frozenset({"x"}))]),
        rules=listed,
        owners=draw(st.lists(owners, max_size=2)),
    )


clients = st.builds(
    Client,
    listener=st.sampled_from(LISTENERS),
    address=st.sampled_from(ADDRESSES),
    credential=st.sampled_from(["", "shop", "shop-1", "other-x", "ann@a.test"]),
)
mailboxes = st.builds(
    Mailbox,
    st.sampled_from(["x", "n-1", "y", "u%b.test"]),
    st.sampled_from(["a.test", "s.a.test", "b.test", "local.test", "else.where", "c.test"]),
)


@given(policies(), clients, st.none() | mailboxes, mailboxes)
@settings(max_examples=300)
def test_an_explanation_ends_where_the_decision_does(
    policy: RelayPolicy, client: Client, sender: Mailbox | None, recipient: Mailbox
) -> None:
    """One step decides or none does, it is the last one, and it bears the name of the rule."""
    rights = policy.rights(client)
    decision = rights.may_send(sender)
    if decision.is_accepted:
        decision = rights.may_relay(sender, recipient)
    told = explain(policy, client, sender, recipient)
    assert told.decision == decision
    deciding = [step for step in told.steps if step.decides]
    assert deciding == [told.steps[-1]]
    assert deciding[0].rule == decision.rule


def opens(pattern: str, domain: str) -> bool:
    """Return whether a pattern names a domain, other than by naming all of them."""
    if pattern.startswith("*."):
        return "." in pattern[2:] and domain.endswith(pattern[1:])
    return pattern == domain


@given(policies(), clients, st.none() | mailboxes, mailboxes)
@settings(max_examples=300)
def test_what_is_proved_holds(
    policy: RelayPolicy, client: Client, sender: Mailbox | None, recipient: Mailbox
) -> None:
    """Where a proof holds, no client in no trusted network reaches what no rule names."""
    stranger = Client(listener=client.listener, address="192.0.2.77")
    if not prove(policy).holds or recipient.domain == "local.test":
        return
    rights = policy.rights(stranger)
    if not rights.may_send(sender).is_accepted:
        return
    decision = rights.may_relay(sender, recipient)
    if decision.is_accepted:
        (rule,) = (each for each in policy.rules if each.name == decision.rule)
        assert rule.recipients is not None
        assert any(opens(pattern, recipient.domain) for pattern in rule.recipients.patterns)


@given(
    st.lists(
        st.builds(
            Rule,
            name=st.sampled_from(["one", "two", "three"]),
            allows=st.booleans(),
            networks=perhaps(some(NETWORKS).map(networks)),
            senders=perhaps(some((*SENDERS, "*-1@b.test", "n*@a.test")).map(Senders)),
            recipients=perhaps(some(DOMAINS).map(RecipientDomains)),
        ),
        min_size=1,
        max_size=4,
        unique_by=lambda rule: rule.name,
    ),
    st.sampled_from(ADDRESSES),
    st.none() | mailboxes,
    mailboxes,
)
@settings(max_examples=400)
def test_every_leak_is_found(
    rules: list[Rule], address: str, sender: Mailbox | None, recipient: Mailbox
) -> None:
    """Where chance finds a stranger who is relayed, the proof has found one before."""
    domains = LocalDomains([LocalDomain(name="local.test", recipients=frozenset({"x"}))])
    policy = RelayPolicy(gates={"mx": Gate()}, domains=domains, rules=rules)
    client = Client(listener="mx", address=address)
    rights = policy.rights(client)
    decision = rights.may_send(sender)
    if decision.is_accepted:
        decision = rights.may_relay(sender, recipient)
    if decision.is_accepted and not is_meant(policy, client, recipient, decision):
        assert not prove(policy).holds


@given(policies(), clients, mailboxes)
@settings(max_examples=300)
def test_who_logs_in_never_sends_as_somebody_else(
    policy: RelayPolicy, client: Client, sender: Mailbox
) -> None:
    """Whatever the rules say, MAIL FROM of a login is one that it owns."""
    if not client.credential or not policy.rights(client).may_send(sender).is_accepted:
        return
    owned = [owner.senders for owner in policy.owners if owner.is_client(client)]
    is_own = str(sender) == client.credential
    assert is_own or any(sender in each for each in owned)


@given(policies(), clients, mailboxes)
@settings(max_examples=200)
def test_the_built_in_rules_are_closed(
    policy: RelayPolicy, client: Client, recipient: Mailbox
) -> None:
    """Without rules of the configuration, an outside recipient is for logins and trusted ones."""
    bare = RelayPolicy(gates=policy.gates, domains=policy.domains)
    decision = bare.rights(client).may_relay(None, recipient)
    if decision.is_accepted and decision.resolution is None:
        assert decision.rule in {BuiltIn.AUTHENTICATED, BuiltIn.TRUSTED}
        assert client.credential or client.address in policy.gates[client.listener].trusted
