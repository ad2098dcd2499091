"""Where arrivals may be posted to: https, and on the open internet unless private networks are allowed."""

import dataclasses

import pytest

from arrivals import config
from arrivals.apps.hook import subscriptions
from arrivals.errors import Invalid

WRONG = [
    "ftp://example.com",
    "https://",
    "https://a:b@example.com",
    "https://example.com/a b",
    "https://example.com:99999",
    "https://[::1",
    "https://example.com/" + "x" * 2000,
    "example.com",
    "",
]
CLOSED = [
    ("http://example.com/x", "begin with https://"),
    ("https://127.0.0.1/x", "open internet"),
    ("https://10.1.2.3/x", "open internet"),
    ("https://[::1]/x", "open internet"),
    ("https://169.254.169.254/latest", "open internet"),
    ("https://localhost/x", "open internet"),
    ("https://db.internal/x", "open internet"),
]


@pytest.mark.parametrize("url", WRONG)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(Invalid) as told:
        subscriptions.address(url)
    assert told.value.path == "target_url"


@pytest.mark.parametrize(("url", "says"), CLOSED)
def test_an_address_that_is_not_public_is_refused(monkeypatch: pytest.MonkeyPatch, url: str, says: str) -> None:
    subscriptions.address(url)  # the tests allow private networks
    closed = dataclasses.replace(config.current(), allow_private_networks=False)
    monkeypatch.setattr(config, "current", lambda: closed)
    subscriptions.address("https://hooks.zapier.com/hooks/standard/1/abc/")
    with pytest.raises(Invalid, match=says):
        subscriptions.address(url)
