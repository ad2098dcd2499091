"""A connection to a fake Pendo and a report of it, for tests of what comes after them."""

from arrivals.apps import connections
from arrivals.apps.models import Connection
from arrivals.audience import reports
from arrivals.audience.models import Report
from tests.fake_pendo import FakePendo


def connection(pendo: FakePendo) -> Connection:
    return connections.create("pendo", "Pendo", {"url": pendo.url, "key": pendo.key})


def report(pendo: FakePendo, remote_id: str = "visitors") -> Report:
    return reports.create({"origin": {"connection": connection(pendo).id, "report": remote_id}})
