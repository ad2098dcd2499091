"""Marks of every test that drives the shop in a browser."""

import pytest

from tests.test_browser import CHROMIUM

BROWSER = [
    pytest.mark.browser,
    pytest.mark.server,
    pytest.mark.skipif(
        CHROMIUM is None, reason="Skipped: no chromium is installed, so the agent was not tried in a browser."
    ),
]
