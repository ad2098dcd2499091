"""Events that come in start runs, and wake runs that wait for them. Blocks. See ``Incoming.look`` for the steps."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import chain
from typing import Any

import orjson
from django.db import DataError, close_old_connections, transaction
from django.db.models import Q

from arrivals import clock, ids
from arrivals.audience import happenings as events
from arrivals.audience.happenings import Happened
from arrivals.audience.rules import EventRule
from arrivals.engine import event_runs, waits
from arrivals.engine.event_runs import Ready
from arrivals.engine.models import Cursor
from arrivals.errors import ArrivalsError
from arrivals.warehouse import recent
from arrivals.workflows import triggers
from arrivals.workflows.happenings import OVERLAP, milliseconds
from arrivals.workflows.models import Activation, Version, Workflow

log = logging.getLogger(__name__)
NAME = "events"
LEASE = timedelta(seconds=10)
NOTED = timedelta(seconds=2)  # how often it is noted how far it is when there was nothing to be done
SURELY_MS = 60_000
FULL = 10_000  # events that are remembered before the old ones are forgotten
IDLE_NOTED = timedelta(minutes=1)
OVERLAP_MS = round(OVERLAP.total_seconds() * 1000)


class Changed(Exception):
    """Something was changed while it was looked at; the next look reads it anew."""


@dataclass(frozen=True)
class Interest:
    """A workflow that runs for events that match ``rule``, received from ``since`` on (milliseconds since 1970)."""

    workflow: str
    version: int
    trigger: dict[str, Any]
    rule: EventRule
    since: int

    @property
    def key(self) -> tuple[str, bytes, int]:
        return self.workflow, orjson.dumps(self.trigger), self.since


class Incoming:
    """One for a process that runs workflows. Of all of them one looks, as long as it renews its lease."""

    def __init__(self) -> None:
        self.owner = ids.new("own")
        self._lease = clock.now()
        self._received = 0  # all that was received before was looked at
        self._place: tuple[str, int] | None = None  # epoch and number in ``recent``; None: it is not known
        self._noted = clock.now()
        self._known: set[tuple[str, bytes, int]] = set()
        self._full = FULL
        self._done: dict[int, int] = {}  # the hashes of events that were looked at, and when they were received
        self._triggers: dict[int, tuple[dict[str, Any], EventRule] | None] = {}

    def look(self) -> int:
        """Look at what came in since the last time; return how many runs were made or woken.

        1. Be the one who looks: claim the cursor by a conditional update, for 10 s. Who took it over starts where it is.
        2. Take a mark. Then ask for the events that match a workflow that is on, or a step that waits: of the visitors of
           whom anything came in since the mark before, as ``recent`` knows. Where that cannot be relied on (a start, another
           epoch, a workflow that was not on before), all events are gone through that were received since, and for ten
           minutes before.
        3. For each page of up to 1,000 events, one transaction: lock the workflows, make sure that nobody changed them
           meanwhile, apply their re-entry policies, insert the runs (unique on workflow and event: a repetition makes none),
           wake the runs that wait, and with the last page move the cursor to the mark.
        Killed anywhere, the next look goes on there: events are read again, and those that have a run make no other.
        """
        close_old_connections()
        try:
            interests = self._interests()
            rules = waits.rules()
            if not self._hold():
                return 0
            return self._look(interests, rules) if interests or rules else self._idle()
        except Changed:
            return 0
        finally:
            close_old_connections()

    def release(self) -> None:
        """Let another one look at once."""
        Cursor.objects.filter(name=NAME, owner=self.owner).update(owner="", lease=None)

    def _look(self, interests: list[Interest], rules: waits.Rules) -> int:
        epoch, mark = recent.epoch(), recent.settled()
        if not mark:  # an insert has been under way since the start: it will have ended in a moment
            return 0
        woken = waits.settle(rules)
        wanted = [*(one.rule for one in interests), *rules.values()]
        pages = self._pages(interests, rules, wanted, epoch, mark)
        page = next(pages, [])
        made = woken
        while True:
            following = next(pages, None)
            move = (epoch, mark) if following is None else None
            made += self._handle(page, interests, rules, move)
            if following is None:
                return made
            page = following

    def _idle(self) -> int:
        """While nobody asks for events, what comes in is of no interest to anybody later."""
        self._place, self._received = None, max(self._received, milliseconds(clock.now()))
        if clock.now() - self._noted > IDLE_NOTED:
            Cursor.objects.filter(name=NAME, owner=self.owner).update(received=self._received)
            self._noted = clock.now()
        return 0

    def _pages(
        self, interests: list[Interest], rules: waits.Rules, wanted: list[EventRule], epoch: str, mark: int
    ) -> Iterator[list[Happened]]:
        since = self._received - OVERLAP_MS
        if self._place is None or self._place[0] != epoch or not _there(self._place[1], mark):
            self._done.clear()
            begin = [one.since for one in interests] + ([milliseconds(waits.oldest())] if rules else [])
            return events.received(wanted, max(since, min(begin)))
        late: list[Iterator[list[Happened]]] = []
        # Of one that was not on before, events may have been passed over since it was turned on.
        for number, one in enumerate(interests):
            if one.key not in self._known:
                late.append(_numbered(events.received([one.rule], max(one.since, since)), number))
        return chain(*late, self._new(events.lately(wanted, self._place[1], since)))

    def _new(self, pages: Iterator[list[Happened]]) -> Iterator[list[Happened]]:
        """Without those that were looked at already."""
        for page in pages:
            if left := [one for one in page if one.hash not in self._done]:
                yield left

    def _handle(
        self, page: Sequence[Happened], interests: list[Interest], rules: waits.Rules, move: tuple[str, int] | None
    ) -> int:
        try:
            made = self._page(page, interests, rules, move)
        except (DataError, ValueError, TypeError):
            if len(page) == 1:
                log.exception("The event %r of %s cannot be worked on.", page[0].message, page[0].source)
                return self._page([], interests, rules, move)
            log.exception("Events could not be worked on together; they are taken one by one.")
            made = sum(self._handle([one], interests, rules, None) for one in page)
            made += self._page([], interests, rules, move)
        if move is not None:
            self._known = {one.key for one in interests}
        return made

    def _page(
        self, page: Sequence[Happened], interests: list[Interest], rules: waits.Rules, move: tuple[str, int] | None
    ) -> int:
        people = events.people_of(page)
        ready: list[tuple[Interest, list[Ready]]] = []
        for number, one in enumerate(interests):
            hit = [event for event in page if number in event.hits and event.received >= one.since]
            if hit:
                found = self._prepared(one, hit, people)
                ready += [(one, found)] if found else []
        made = 0
        noted = move is not None and (bool(page) or clock.now() - self._noted > NOTED)
        with transaction.atomic():
            for one, found in sorted(ready, key=lambda pair: pair[0].workflow):
                locked = Workflow.objects.select_for_update().filter(pk=one.workflow).first()
                same = (Workflow.State.ON, one.version, one.since)
                if locked is None or (locked.state, locked.version_id, locked.start_seq) != same:
                    raise Changed
                made += event_runs.insert(locked, found)
            made += waits.wake(page, people, rules, first=len(interests))
            if move is not None and noted:
                ours = Cursor.objects.filter(name=NAME, owner=self.owner)
                if not ours.update(received=_time(move[1])):
                    raise Changed
        if move is not None:
            self._place, self._received = move, max(self._received, _time(move[1]))
            if noted:
                self._noted = clock.now()
            if len(self._done) > self._full:
                old = self._received - OVERLAP_MS
                self._done = {hash_: at for hash_, at in self._done.items() if at >= old}
                self._full = max(FULL, 2 * len(self._done))
        self._done.update((one.hash, one.received) for one in page)
        return made

    def _prepared(self, one: Interest, hit: list[Happened], people: Any) -> list[Ready]:
        try:
            return event_runs.prepare(one.workflow, one.trigger, hit, people)
        except ArrivalsError as error:
            if error.retry_after:
                raise
            log.warning("%s: its segment cannot be asked, so nothing is started: %s", one.workflow, error)
            return []

    def _interests(self) -> list[Interest]:
        """The workflows that are on and run for events."""
        on = Workflow.objects.filter(state=Workflow.State.ON, report__isnull=True, version__isnull=False)
        found = []
        for id_, version, since in on.order_by("id").values_list("id", "version_id", "start_seq"):
            if version not in self._triggers:
                self._triggers[version] = _trigger(version)
            if (read := self._triggers[version]) is not None:
                found.append(Interest(id_, version, *read, since))
        return found

    def _hold(self) -> bool:
        now = clock.now()
        if self._lease - now > LEASE / 2:
            return True
        before = self._lease
        Cursor.objects.get_or_create(name=NAME)
        free = Q(owner="") | Q(owner=self.owner) | Q(lease=None) | Q(lease__lt=now)
        if not Cursor.objects.filter(free, name=NAME).update(owner=self.owner, lease=now + LEASE):
            self._place = None
            return False
        self._lease = now + LEASE
        if before <= now or self._place is None:  # somebody else may have had it
            self._place = None
            self._received = Cursor.objects.values_list("received", flat=True).get(name=NAME)
        return True


def forget_leases() -> None:
    """Free the cursor: right at the start of the only process there is."""
    Cursor.objects.filter(name=NAME).update(owner="", lease=None)


def resume(activation: Activation) -> int:
    """Make the runs of events that came in while a workflow was paused, as far as its activation says; see ``enqueue``.

    Page by page, one transaction each: the runs, and the position. Killed anywhere, the last page is done once more, and
    makes no other runs.
    """
    made = 0
    workflow = Workflow.objects.get(pk=activation.workflow_id)
    read = _trigger(workflow.version_id or 0)
    if workflow.state != Workflow.State.ON:
        return made  # goes on when it is resumed
    pages = events.received([read[1]], int(activation.position), milliseconds(activation.at)) if read else iter([])
    while True:
        page = next(pages, None)
        ready = event_runs.prepare(workflow.pk, read[0], page, events.people_of(page)) if page and read else []
        with transaction.atomic():
            locked = Workflow.objects.select_for_update().get(pk=workflow.pk)
            current = Activation.objects.select_for_update().get(pk=activation.pk)
            same = (workflow.version_id, Workflow.State.ON, False)
            if (locked.version_id, locked.state, current.done) != same:
                return made
            made += event_runs.insert(locked, ready)
            activation.position = str(page[-1].received) if page else activation.position
            activation.done = page is None
            activation.save(update_fields=["position", "done"])
        if page is None:
            return made


def _trigger(version_id: int) -> tuple[dict[str, Any], EventRule] | None:
    """The trigger of a version and what it asks of an event; None when it is another, or names what is gone."""
    version = Version.objects.filter(pk=version_id).first()
    trigger = version.definition["trigger"] if version else {}
    if trigger.get("kind") != "event":
        return None
    try:
        return trigger, triggers.event(trigger["event"], "trigger.event")
    except ArrivalsError as error:
        log.warning("%s: it cannot run for events: %s", version.workflow_id if version else "", error)
        return None


def _numbered(pages: Iterator[list[Happened]], number: int) -> Iterator[list[Happened]]:
    """Pages that were asked with one rule, which is the one with ``number``."""
    for page in pages:
        yield [replace(one, hits=frozenset((number,))) for one in page]


def _there(place: int, mark: int) -> bool:
    """Whether ``recent`` still has everything since ``place``; it surely has what is of the last minute."""
    return _time(mark) - _time(place) < SURELY_MS or place >= recent.oldest()


def _time(mark: int) -> int:
    """The time of a mark, in milliseconds since 1970."""
    return mark >> recent.MILLISECONDS_SHIFT
