"""Notices: what people should know of, told once for each cause, shown on a page and sent by mail. Blocks.

``tell`` is called in the transaction of the cause, so that a notice is there exactly when its cause is. ``mails`` sends them.
They go to every admin and to whoever made one of the workflows that they are about; each says when: at once, together on the
hour, or never. Without a mail server they are on the page all the same.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q

from arrivals import clock
from arrivals.accounts.models import Person
from arrivals.audience import cursors
from arrivals.engine.models import Notice, NoticeChoice, NoticeTo
from arrivals.errors import Invalid, NotFound
from arrivals.workflows.models import Version

KINDS = {
    "run_failed": "A run failed",
    "connection_expired": "A connection is no longer accepted",
    "workflow_off": "A workflow was turned off, or will be",
    "tasks_80": "80 % of the tasks of a month are used",
    "tasks_100": "All tasks of a month are used",
    "flood_held": "Many arrivals at once are held",
    "report_unchecked": "A report could not be looked at",
}
MOST_AT_ONCE = 5  # mails of one workflow to one person in an hour; what comes after them goes together on the hour
MOST = 200
# A text, or a text and the path of a page ("/runs/run_...").
Line = str | tuple[str, str]


def tell(
    kind: str,
    subject: str,
    lines: Sequence[Line],
    *,
    once: str,
    workflow: str | None = None,
    workflows: Sequence[str] = (),
    run: str = "",
) -> bool:
    """Note it for those whom it concerns; whether it was news. To be called inside the transaction of its cause.

    ``kind``: one of ``KINDS``. ``once``: names the cause (at most 200 characters); told again, nothing happens.
    ``workflow``, ``workflows``: the ids of those that it is about, whose makers hear of it beside the admins.
    ``run``: the run whose data the lines may quote; erased with it.
    """
    assert kind in KINDS
    about = list(dict.fromkeys([*([workflow] if workflow else []), *workflows]))
    now = clock.now()
    notice = Notice(
        kind=kind,
        subject=" ".join(subject.split())[:300],
        lines=[[line] if isinstance(line, str) else list(line) for line in lines],
        workflows=about,
        run=run,
        once=once[:200],
        at=now,
    )
    with transaction.atomic():
        if Notice.objects.filter(once=notice.once).exists():
            return False
        Notice.objects.bulk_create([notice], ignore_conflicts=True)
        if not Notice.objects.filter(pk=notice.pk).exists():
            return False  # somebody else told it at this moment
        people = _concerned(about)
        chosen = dict(NoticeChoice.objects.filter(person__in=people).values_list("person", "when"))
        NoticeTo.objects.bulk_create(
            _addressed(notice, person, chosen.get(person.pk, NoticeChoice.When.AT_ONCE), now) for person in people
        )
    return True


def choice(person_id: str) -> str:
    """When this person wants notices by mail: "at_once", "hourly" or "never"."""
    found = NoticeChoice.objects.filter(person=person_id).first()
    return found.when if found else NoticeChoice.When.AT_ONCE.value


def choose(person_id: str, when: str) -> str:
    """Set it, for what comes from now on. Raises Invalid."""
    if when not in NoticeChoice.When.values:
        raise Invalid(f"It must be one of {', '.join(NoticeChoice.When.values)}.", path="notices")
    NoticeChoice.objects.update_or_create(person_id=person_id, defaults={"when": when})
    return when


def page(person_id: str = "", *, limit: int = 50, cursor: str = "") -> tuple[list[dict[str, Any]], str | None]:
    """The notices to a person (all notices when none is named), newest first, and the cursor of the next page or None.

    Each: id, kind, subject, lines (text, path or null), workflows, at; of a person also seen, mailed_at and mail_error.

    Raises:
        Invalid: a cursor that is not ours, a limit outside 1..200.
    """
    if not 1 <= limit <= MOST:
        raise Invalid(f"The limit must be from 1 to {MOST}.", path="limit")
    if cursor and not cursor.startswith("ntc_"):
        raise Invalid(cursors.WRONG, path="cursor")
    found = Notice.objects.order_by("-id")
    if cursor:
        found = found.filter(id__lt=cursor)
    if person_id:
        found = found.filter(to__person=person_id)
    rows = list(found[: limit + 1])
    to = {one.notice_id: one for one in NoticeTo.objects.filter(person=person_id or None, notice__in=rows)}
    return [_shown(one, to.get(one.pk)) for one in rows[:limit]], rows[limit - 1].pk if len(rows) > limit else None


def unseen(person_id: str) -> int:
    """How many notices a person has not looked at yet; at most 100."""
    return NoticeTo.objects.filter(person=person_id, seen_at=None)[:100].count()


def seen(person_id: str, notice_id: str = "") -> None:
    """This person has looked at one notice, or at all of them. Raises NotFound."""
    found = NoticeTo.objects.filter(person=person_id)
    if notice_id and not found.filter(notice=notice_id).exists():
        raise NotFound(f"There is no notice {notice_id!r:.60} to you.")
    (found.filter(notice=notice_id) if notice_id else found).filter(seen_at=None).update(seen_at=clock.now())


def forget(before: datetime) -> None:
    """Delete those of before a time."""
    Notice.objects.filter(at__lt=before).delete()


def erase(run_id: str) -> None:
    """Keep that there was a notice, without its words: the data of the run that it was about are erased."""
    Notice.objects.filter(run=run_id).update(lines=[["Erased."]])


def next_hour(now: datetime) -> datetime:
    return now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


def _concerned(about: Sequence[str]) -> list[Person]:
    made = Version.objects.filter(workflow__in=about, number=1).values_list("created_by", flat=True) if about else []
    return list(Person.objects.filter(Q(role=Person.Role.ADMIN) | Q(email__in=list(made)), is_active=True))


def _addressed(notice: Notice, person: Person, when: str, now: datetime) -> NoticeTo:
    """At once, but not a hundred times: what a workflow has to tell after its first mails of an hour waits for its end."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    if when == NoticeChoice.When.AT_ONCE and notice.kind == "run_failed":
        earlier = NoticeTo.objects.filter(person=person, notice__kind="run_failed", notice__at__gte=hour)
        of_it = [row for row in earlier.values_list("notice__workflows", flat=True)[:1000] if row == notice.workflows]
        when = NoticeChoice.When.HOURLY if len(of_it) >= MOST_AT_ONCE else when
    due = {NoticeChoice.When.AT_ONCE: now, NoticeChoice.When.HOURLY: next_hour(now)}.get(NoticeChoice.When(when))
    return NoticeTo(notice=notice, person=person, together=when == NoticeChoice.When.HOURLY, due=due)


def _shown(notice: Notice, to: NoticeTo | None) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": notice.id,
        "kind": notice.kind,
        "subject": notice.subject,
        "lines": [
            {"text": line[0].rstrip(":"), "path": line[1]} if len(line) > 1 else {"text": line[0], "path": None}
            for line in notice.lines
        ],
        "workflows": notice.workflows,
        "at": clock.iso(notice.at),
    }
    if to is not None:
        told |= {
            "seen": to.seen_at is not None,
            "mailed_at": clock.iso(to.mailed_at) if to.mailed_at else None,
            "mail_error": to.error or None,
        }
    return told
