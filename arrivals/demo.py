"""The demo: a product whose simulated visitors look around and answer an NPS survey while somebody watches.

Everything goes the way real use goes: definitions through the same functions as the pages, events over HTTP to this
server's own collector. Starting it again goes on with the same data.
"""

import asyncio
import logging
import random
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx

from arrivals import clock, config
from arrivals.accounts import people
from arrivals.accounts.models import Person
from arrivals.audience import dashboards, reports, surveys, tags
from arrivals.audience.charts import saved
from arrivals.audience.models import Chart, Dashboard, Feature, Page, Report, Survey
from arrivals.collect import sources
from arrivals.collect.models import Source
from arrivals.watch import batches
from arrivals.workflows import activation, recipes
from arrivals.workflows.models import Workflow

log = logging.getLogger("arrivals.demo")

EMAIL = "demo@example.com"
SOURCE = "Demo shop"
SURVEY = "nps"
WORKFLOW = "NPS responses to a channel"
ADDRESS = "https://shop.example"
PAGES = ("Home", "Pricing", "Catalogue", "Cart", "Orders", "Settings")
TRACKS = ("export", "purchase", "invite", "search")
# The page that an element is on, what the agent calls it, its path and what it says.
ADD = ("Catalogue", "button[data-testid=add]", ["button.primary[data-testid=add]", "li.product:nth(3)"], "Add to cart")
PAY = ("Cart", "button#pay", ["button#pay.primary[type=submit]", "form#checkout"], "Pay now")
ELEMENTS = (
    ("Home", 'a "See what is new"', ["a.teaser", "section.news"], "See what is new"),
    ("Pricing", 'button "Compare plans"', ["button.small", "section.plans"], "Compare plans"),
    ("Orders", "button#export", ["button#export", "div.toolbar"], "Export CSV"),
    ("Settings", 'button "Save"', ["button.primary[type=submit]", "form.profile"], "Save"),
    ADD,
)
# What somebody who buys does, step by step; most stop on the way.
BUYING = ("Catalogue", ADD, "Cart", PAY, "purchase")
ON = 0.72  # how likely the next step is
PLANS = ("free", "free", "pro", "team")
ACCOUNTS = ("acme", "globex", "initech", "umbrella", "hooli", "stark")
FIRST = ("Ada", "Grace", "Linus", "Margaret", "Ken", "Barbara", "Dennis", "Radia", "Alan", "Hedy", "Tim", "Karen")
LAST = ("Lopez", "Okafor", "Novak", "Singh", "Meyer", "Tanaka", "Rossi", "Haddad", "Jensen", "Costa")
REASONS = {
    "promoter": ("It saves me an hour a day.", "Support answers in minutes.", "Finally a checkout that works."),
    "passive": ("Good, but the export is slow.", "Does what it says.", "I miss a dark mode."),
    "detractor": ("The cart lost my order twice.", "Too expensive for what we use.", "I could not find the invoices."),
}
PEOPLE = 150  # visitors with a past
DAYS = 30
PAUSE = 2.0  # seconds between two things that happen
CHECK_SECONDS = 15


@dataclass(frozen=True)
class Demo:
    """What was prepared; ``sign_in`` is the path of the one-time link."""

    source: Source
    report: Report
    workflow: Workflow
    sign_in: str

    async def live(self) -> None:
        """Be the visitors, until cancelled.

        1. Send the past (its message ids are fixed, so that a repetition counts once).
        2. Turn the workflow on, starting from now: those who answered before are the snapshot.
        3. For ever: somebody does something; now and then somebody answers the survey; every 15 s look at the report.
        """
        settings = config.current()
        host = "127.0.0.1" if settings.host in {"0.0.0.0", "::"} else settings.host  # noqa: S104 (compared, not bound)
        base = f"http://{'[' + host + ']' if ':' in host else host}:{settings.port}"
        async with httpx.AsyncClient(
            base_url=base, auth=(self.source.write_key, ""), timeout=30, trust_env=False
        ) as http:
            try:
                await self._live(http)
            except asyncio.CancelledError:
                raise
            except Exception:
                log.exception("The demo's visitors went home.")

    async def _live(self, http: httpx.AsyncClient) -> None:
        past = history(random.Random(7), clock.now())  # noqa: S311 (simulated people, not secrets)
        if self.workflow.state == Workflow.State.OFF:
            for start in range(0, len(past), 500):
                await _send(http, past[start : start + 500])
            await asyncio.to_thread(activation.activate, self.workflow.id, "skip", by=EMAIL)
        chance = random.Random()  # noqa: S311
        looked = 0.0
        for turn in range(1_000_000_000):
            await _send(http, something(chance, clock.now(), answers=turn % 4 == 1 if turn < 60 else turn % 15 == 1))
            now = asyncio.get_running_loop().time()
            if now - looked > CHECK_SECONDS:
                looked = now
                await asyncio.to_thread(batches.one, self.report.id)
            await asyncio.sleep(PAUSE)


def anybody() -> bool:
    """Whether there is a person who could sign in."""
    return Person.objects.filter(is_active=True).exists()


def prepare() -> Demo:
    """Make what is missing of the demo, and a new one-time link. Blocks."""
    person = Person.objects.filter(email=EMAIL).first() or people.create(
        EMAIL, password=secrets.token_urlsafe(24), role="admin", name="Demo"
    )
    source = Source.objects.filter(name=SOURCE).first() or sources.create(SOURCE)[0]
    if not Survey.objects.filter(key=SURVEY).exists():
        surveys.create(
            {"key": SURVEY, "name": "NPS of the shop", "kind": "nps", "state": "live", "sources": [source.id]}
        )
    workflow = (
        Workflow.objects.filter(name=WORKFLOW).first()
        or recipes.make("nps_responses", {"name": WORKFLOW}, by=EMAIL).workflow
    )
    _names(source)
    if not Dashboard.objects.exists() and not Chart.objects.exists():
        _draw()
    report = reports.get(workflow.report_id or "")
    return Demo(source, report, workflow, people.link(person))


def _names(source: Source) -> None:
    """A page and a feature that got their names after the fact, unless there are some."""
    if not Page.objects.exists():
        rules: list[dict[str, Any]] = [{"url": {"wildcard": f"{ADDRESS}/orders/*"}}]
        tags.create("page", {"name": "One order", "group": "Orders", "source": source.id, "rules": rules})
    if not Feature.objects.exists():
        rules = [{"selector": "form#checkout > button#pay"}]
        tags.create("feature", {"name": "Pay", "group": "Checkout", "source": source.id, "rules": rules})


def _draw() -> None:
    """The first dashboard, and on it how many of those who look at the catalogue pay."""
    first = dashboards.overview()
    pay = Feature.objects.filter(name="Pay").first()
    steps: list[dict[str, Any]] = [{"kind": "page", "name": "Catalogue"}, {"kind": "page", "name": "Cart"}]
    steps += [{"kind": "feature", "feature": pay.id}] if pay else []
    definition = {"kind": "funnel", "steps": [*steps, {"kind": "track", "name": "purchase"}], "window": "7d"}
    funnel = saved.create({"name": "From the catalogue to an order", "definition": definition})
    tiles = [*first.tiles[:2], {"chart": funnel.id, "size": "large"}, *first.tiles[2:]]
    dashboards.change(first.id, {"name": first.name, "tiles": tiles})


def history(chance: random.Random, now: datetime) -> list[dict[str, Any]]:
    """The past month of ``PEOPLE`` visitors as Segment calls, the same for the same seed but for its times."""
    calls: list[dict[str, Any]] = []
    for number in range(PEOPLE):
        visitor = _visitor(chance, f"demo-{number:04}", ACCOUNTS[number % len(ACCOUNTS)])
        age = chance.uniform(1, DAYS)  # people come one after the other
        first = clock.iso(now - timedelta(days=age))
        calls.append({**visitor, "messageId": f"demo-history-{number}-who", "timestamp": first})
        for visit in range(chance.randint(1, 12)):
            at = now - timedelta(days=chance.uniform(0.05, age))
            did = _visit(chance, visitor["userId"], visitor["context"]["groupId"], at)
            calls += [{**one, "messageId": f"demo-history-{number}-{visit}-{step}"} for step, one in enumerate(did)]
        if number % 7 == 3:  # saw it, and said nothing
            seen = _shown(visitor["userId"], visitor["context"]["groupId"], now - timedelta(hours=number % 20 + 1))
            calls.append({**seen, "messageId": f"demo-history-{number}-shown"})
        if number % 7 == 0:
            at = now - timedelta(hours=chance.uniform(1, 20) if number % 2 else chance.uniform(1, age * 24))
            seen = _shown(visitor["userId"], visitor["context"]["groupId"], at - timedelta(seconds=20))
            calls.append({**seen, "messageId": f"demo-history-{number}-shown"})
            call = _answer(chance, visitor["userId"], visitor["context"]["groupId"], at)
            calls.append({**call, "messageId": f"demo-history-{number}-nps"})
    return calls


def something(chance: random.Random, now: datetime, *, answers: bool) -> list[dict[str, Any]]:
    """What happens next: somebody known looks around, or somebody new comes and ``answers`` the survey."""
    if not answers:
        number = chance.randrange(PEOPLE)
        return _visit(chance, f"demo-{number:04}", ACCOUNTS[number % len(ACCOUNTS)], now)
    visitor = _visitor(chance, f"demo-{secrets.token_hex(4)}", chance.choice(ACCOUNTS))
    who, account = visitor["userId"], visitor["context"]["groupId"]
    return [
        visitor,
        *_visit(chance, who, account, now - timedelta(minutes=1)),
        _shown(who, account, now),
        _answer(chance, who, account, now),
    ]


def _visitor(chance: random.Random, visitor_id: str, account: str) -> dict[str, Any]:
    name = f"{chance.choice(FIRST)} {chance.choice(LAST)}"
    traits = {
        "name": name,
        "email": f"{name.lower().replace(' ', '.')}@{account}.example",
        "plan": chance.choice(PLANS),
    }
    return {"type": "identify", "userId": visitor_id, "traits": traits, "context": {"groupId": account}}


def _visit(chance: random.Random, visitor_id: str, account: str, end: datetime) -> list[dict[str, Any]]:
    """Some things that somebody does one after the other, the last at ``end``: one in three wants to buy."""
    done: list[Any] = []
    if chance.random() < 0.35:
        for step in BUYING:
            done.append(step)
            if chance.random() > ON:
                break
    else:
        done.append(chance.choice(PAGES))
        more = [one for one in ELEMENTS if one[0] == done[0]]
        done += more if chance.random() < 0.5 else [chance.choice(TRACKS)] if chance.random() < 0.6 else []
    began = end - timedelta(seconds=6 * (len(done) - 1))
    return [
        _did(chance, one, visitor_id, account, began + timedelta(seconds=6 * step)) for step, one in enumerate(done)
    ]


def _did(chance: random.Random, what: Any, visitor_id: str, account: str, at: datetime) -> dict[str, Any]:
    """One call for a page, an element or a track event, as our agent and Segment's libraries send them."""
    common = {"userId": visitor_id, "timestamp": clock.iso(at), "context": {"groupId": account}}
    if what in PAGES:
        return {"type": "page", "name": what, "properties": {"url": _address(chance, what)}, **common}
    if what in TRACKS:
        properties = {"revenue": round(chance.uniform(5, 200), 2)} if what == "purchase" else {}
        return {"type": "track", "event": what, "properties": properties, **common}
    page, name, path, text = what
    common["context"] = {"groupId": account, "page": {"url": _address(chance, page)}}
    return {"type": "click", "name": name, "properties": {"path": [*path, "main", "body"], "text": text}, **common}


def _address(chance: random.Random, page: str) -> str:
    """Somebody who looks at orders looks at one of them."""
    return f"{ADDRESS}/{page.lower()}{f'/{chance.randint(1000, 1060)}' if page == 'Orders' else ''}"


def _shown(visitor_id: str, account: str, at: datetime) -> dict[str, Any]:
    return {
        "type": "track",
        "event": "Survey Shown",
        "userId": visitor_id,
        "timestamp": clock.iso(at),
        "properties": {"survey": SURVEY},
        "context": {"groupId": account},
    }


def _answer(chance: random.Random, visitor_id: str, account: str, at: datetime) -> dict[str, Any]:
    score = chance.choice((1, 4, 6, 7, 8, 8, 9, 9, 10, 10))
    kind = "promoter" if score >= 9 else "passive" if score >= 7 else "detractor"
    return {
        "type": "track",
        "event": "Survey Answered",
        "userId": visitor_id,
        "timestamp": clock.iso(at),
        "properties": {"survey": SURVEY, "score": score, "reason": chance.choice(REASONS[kind])},
        "context": {"groupId": account},
    }


async def _send(http: httpx.AsyncClient, calls: list[dict[str, Any]]) -> None:
    """Send a batch; an overloaded collector is asked again after the time it names."""
    for _ in range(20):
        answer = await http.post("/v1/batch", json={"batch": calls})
        if answer.status_code not in {429, 503}:
            answer.raise_for_status()
            return
        await asyncio.sleep(float(answer.headers.get("Retry-After", 1)))
