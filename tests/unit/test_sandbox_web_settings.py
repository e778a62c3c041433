"""Where the sandbox's application is, and who may ask (``node.sandbox_web``)."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from pillarbox.config.settings import SandboxSettings
from pillarbox.errors import PermanentError
from pillarbox.node.sandbox_web import web_settings


def test_settings_become_those_of_the_application() -> None:
    """Hosts, origins, proxies, users, tokens and the path are handed on."""
    settings = web_settings(
        SandboxSettings(
            allowed_hosts=("Mail.Example.ORG",),
            allowed_origins=("https://app.example.org/",),
            trusted_proxies=("10.0.0.0/8", "192.0.2.1"),
            http_users=("ann:secret",),
            http_token="token-1",
            webroot="/mail/",
        )
    )
    assert "mail.example.org" in settings.hosts
    assert settings.origins == {"https://app.example.org"}
    assert settings.trusted_networks == (ip_network("10.0.0.0/8"), ip_network("192.0.2.1"))
    assert set(settings.users) == {"ann"}
    assert settings.tokens == {"token-1"}
    assert settings.webroot == "/mail"
    assert not settings.is_open
    assert "secret" not in repr(settings)


def test_a_network_that_is_none_is_told() -> None:
    """With the setting's name and what was written."""
    with pytest.raises(PermanentError, match=r"trusted_proxies.*'10.0.0.0/99'"):
        web_settings(SandboxSettings(trusted_proxies=("10.0.0.0/99",)))
