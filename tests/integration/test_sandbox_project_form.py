from __future__ import annotations

import http.client
from urllib.parse import urlencode

import pytest
from tests.web_sandbox import RunningSandbox, whole_sandbox

_FORM = {"content-type": "application/x-www-form-urlencoded"}


def _post(running: RunningSandbox, **fields: str) -> int:
    client = http.client.HTTPConnection("127.0.0.1", running.port, timeout=10)
    client.request("POST", "/projects", urlencode(fields), _FORM)
    status = client.getresponse().status
    client.close()
    return status


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "1e400", "-1", "1e300"])
@pytest.mark.parametrize("field", ["max_messages", "max_hours"])
def test_a_cap_that_is_no_number_breaks_no_page(field: str, number: str) -> None:
    """A form cannot set a cap that the list of projects could not show afterwards."""
    with whole_sandbox() as running:
        assert _post(running, name="shop", **{field: number}) == 422
        assert _post(running, name="shop", **{field: "12"}) == 303
        client = http.client.HTTPConnection("127.0.0.1", running.port, timeout=10)
        client.request("GET", "/projects")
        assert client.getresponse().status == 200
        client.close()
