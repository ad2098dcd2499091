"""Reports of a remote subscription, as seen from the left of the line: the app of it installs itself here at the start."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from arrivals.audience import remote, segments
from arrivals.audience.models import Report
from arrivals.audience.remote import Fetch
from arrivals.errors import Invalid, InvalidReport

KEYS = ("name", "kind", "origin")
EMPTY: dict[str, Any] = {
    "segment": None,
    "range": {},
    "columns": [],
    "survey": "",
}  # what an answer has and a remote report has not


@dataclass(frozen=True)
class Listed:
    """A report there is in a remote subscription. ``kind`` is visitor or account; ``problem`` says why another cannot be
    used."""

    id: str
    name: str
    kind: str = ""
    problem: str = ""


class Origin(Protocol):
    """The app's side (``arrivals.apps.pendo.origin.Origin``). All of it blocks and raises AppErrors."""

    def reports(self, connection_id: str) -> list[Listed]:
        """The reports there are, asked for now. Raises NotFound, Invalid for a connection that is none of it."""
        ...

    def rows(self, report: Report) -> Iterator[Sequence[bytes]]:
        """The rows of a report now, each a JSON object as text, in blocks.

        Raises:
            CheckTimeout: the other side did not send all of it in time. AuthorisationExpired, Throttled, Retryable,
            Permanent: as their names say.
        """
        ...

    def place(self, report: Report) -> str:
        """Where the report is, in words for a person: the name of the connection and its host."""
        ...


_installed: list[Origin] = []


def install(origin: Origin) -> None:
    _installed[:] = [origin]


def origin() -> Origin:
    return _installed[0]


def fetch(report: Report) -> Fetch | None:
    """Fetch the rows of a remote report and stage them; None for a report of our own. Raises as ``Origin.rows``."""
    return remote.stage(report, origin().rows(report)) if report.origin else None


def checked(data: dict[str, Any]) -> dict[str, Any]:
    """The fields of a report of a definition with an origin: ``{"name"?, "origin": {"connection", "report"}}``. Asks the
    remote subscription whether it has that report and of which kind it is.

    Raises:
        InvalidReport: with the path of the wrong part. AppError: the subscription cannot be asked.
    """
    for key, value in data.items():
        if key not in KEYS and value != EMPTY.get(key, data):
            raise InvalidReport(f"A report with an origin has only {', '.join(KEYS)}.", path=f"{key:.60}")
    place = data["origin"]
    if not (isinstance(place, dict) and set(place) == {"connection", "report"}):
        raise InvalidReport("It must be an object with connection and report.", path="origin")
    for part in ("connection", "report"):
        if not isinstance(place[part], str) or not 0 < len(place[part]) <= 200:
            raise InvalidReport("It must be a text of 1 to 200 characters.", path=f"origin.{part}")
    try:
        listed = origin().reports(place["connection"])
    except Invalid as error:
        raise InvalidReport(error.message, path="origin.connection") from error
    found = next((one for one in listed if one.id == place["report"]), None)
    if found is None:
        raise InvalidReport(
            f"There is no report {place['report']!r:.60} in that subscription; share it with Everyone in Pendo.",
            path="origin.report",
        )
    if found.problem:
        raise InvalidReport(found.problem, path="origin.report")
    if data.get("kind", found.kind) != found.kind:
        raise InvalidReport(f"The report in Pendo is of kind {found.kind}.", path="kind")
    name = data.get("name")
    return {
        "name": segments.checked_name(
            found.name.strip()[:200] or "A report of Pendo" if name in (None, "") else name, InvalidReport
        ),
        "kind": found.kind,
        "origin": {"connection": place["connection"], "report": place["report"]},
    }


def changed(report: Report, data: Any) -> dict[str, Any]:
    """The fields that a definition changes of a remote report: its name only. Raises InvalidReport."""
    if not isinstance(data, dict):
        raise InvalidReport(f"It must be an object with {', '.join(KEYS)}.", path="report")
    kept = {"origin": report.origin, "kind": report.kind, **EMPTY}
    for key, value in data.items():
        if key != "name" and (key not in kept or value != kept[key]):
            raise InvalidReport("Only the name of a report from Pendo can be changed here.", path=f"{key:.60}")
    return {"name": segments.checked_name(data.get("name"), InvalidReport)}
