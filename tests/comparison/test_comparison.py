"""`check domain` and checkdmarc, `check smtp` and testssl.sh do not contradict each other."""

from __future__ import annotations

import pytest
from tests.comparison import domains, listeners
from tests.peers import require


def test_checkdmarc_says_the_same_or_the_difference_is_explained() -> None:
    """On every zone of the situations: SPF and its look-ups, DMARC, TLS-RPT, BIMI, MX."""
    if not domains.CHECKDMARC.exists():
        pytest.skip("checkdmarc is not installed (scripts/install-peers.sh)")
    found = domains.compare()
    assert [one for one in found if not one.reason] == []
    differing = {(one.situation, one.area) for one in found}
    assert set(domains.EXPLAINED) <= differing, "an explanation is for no difference any more"


@pytest.mark.timeout(400)  # the scanner takes a minute where the machine is busy
@pytest.mark.parametrize(
    "name",
    [
        name if name == "expired" else pytest.param(name, marks=pytest.mark.slow)
        for name in listeners.LISTENERS
    ],
)
def test_testssl_says_the_same_of_a_listener(name: str) -> None:
    """Each version of TLS, the name, the dates and the chain of the certificate."""
    require("testssl")
    assert listeners.compare(name) == []
