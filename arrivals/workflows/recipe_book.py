"""The recipes: what each asks, and what it makes of the answers. Data only; ``recipes`` previews and makes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from arrivals.workflows.recipe_parameters import Parameter
from arrivals.workflows.recipe_targets import Message, literal

VISITOR = ["visitor.id", "visitor.agent.name", "visitor.agent.email", "account.id"]
WHO = "{{ visitor.agent.name | default: visitor.agent.email | default: visitor.id | slack }}"
# The visitor in full, without saying anything twice.
WHOLE = (
    WHO + "{% if visitor.agent.name and visitor.agent.email %} · {{ visitor.agent.email | slack }}{% endif %}"
    "{% if visitor.agent.name or visitor.agent.email %} · {{ visitor.id | slack }}{% endif %}"
)
PERSON = f"Visitor: {WHOLE}\nAccount: {{{{ account.id | default: 'none known' | slack }}}}\n"
LINK = "\n{{ links.run }}"
FACTS = {
    "visitor": "visitor.id",
    "name": "visitor.agent.name",
    "email": "visitor.agent.email",
    "account": "account.id",
    "at": "arrival.at",
    "run": "links.run",
    "report": "links.report",
}
SAMPLE = {
    "visitor": {"id": "user-1", "agent": {"name": "Ada Lopez", "email": "ada@acme.example"}},
    "account": {"id": "acme"},
}


@dataclass(frozen=True)
class Plan:
    """What a recipe makes: ``segment`` {name, rules} or None, ``report`` {name, kind, range, columns}, ``trigger``
    without its report, ``reentry``, and a ``message``. ``name`` begins the workflow's. ``sample`` is what the message is
    shown with while nobody is on the report."""

    name: str
    segment: dict[str, Any] | None
    report: dict[str, Any]
    message: Message
    trigger: dict[str, Any] = field(default_factory=lambda: {"kind": "visitor_in_report"})
    reentry: Any = "never"
    sample: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """``sentence`` says when a message comes; ``note`` what else to know before choosing it. ``channel``: of the inbox,
    where none is given."""

    id: str
    title: str
    sentence: str
    note: str
    parameters: tuple[Parameter, ...]
    plan: Callable[[Mapping[str, Any]], Plan]
    channel: str = "#arrivals"
    makes: tuple[str, ...] = ("segment", "report", "workflow")


def _all(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"all": [{"any": [rule]} for rule in rules]}


def _days(number: int) -> str:
    return f"{number} days" if number != 1 else "day"


def nps_responses(given: Mapping[str, Any]) -> Plan:
    survey, span = given["survey"], {"within": f"{given['days']}d"}
    word = survey.upper() if survey.lower() in {"nps", "csat", "pmf"} else survey[:120]
    parts = (("score", "score"), ("class", "class"), ("reason", "reason"), ("at", "answered_at"))
    columns = [*VISITOR, *({"survey": survey, "part": part, "as": label} for part, label in parts)]
    scored = "{% if row.score != nil %}scored {{ row.score }}{% else %}answered{% endif %}"
    text = (
        "{% if row.score != nil %}Score: {{ row.score }}{% if row.class %}, a {{ row.class }}{% endif %}\n{% endif %}"
        "Reason: {{ row.reason | default: 'none given' | slack }}\n"
        + PERSON
        + "Answered: {{ row.answered_at | slice: 0, 16 | replace: 'T', ' ' }} UTC"
        + LINK
    )
    row = {"score": 9, "class": "promoter", "reason": "It saves me an hour a day.", "answered_at": "2026-01-31T12:00"}
    facts = {
        **FACTS,
        "score": "row.score",
        "class": "row.class",
        "reason": "row.reason",
        "answered_at": "row.answered_at",
    }
    return Plan(
        f"{word} responses",
        {"name": f"{word} Responders", "rules": _all({"kind": "survey", "survey": survey, "when": span})},
        {"name": f"{word} Responses", "range": span, "columns": columns},
        Message(f"{literal(word)}: {WHO} {scored}", text, facts),
        # They leave the report when the answer is old, so that each return is another answer.
        reentry="each_return",
        sample={**SAMPLE, "row": row},
    )


def trial_ending(given: Mapping[str, Any]) -> Plan:
    field_, days, inactive = given["field"], given["days"], given["inactive_days"]
    rules: list[dict[str, Any]] = [
        {"kind": "visitor", "field": field_, "op": "between", "value": ["today", f"today+{days}d"]},
        {"kind": "event", "did": False, "when": {"within": f"{inactive}d"}},
    ]
    if given["plan"]:
        rules.append({"kind": "visitor", "field": given["plan_field"], "op": "is", "value": given["plan"]})
    ends = f'row["visitor.{field_}"]'
    text = (
        f"The trial ends: {{{{ {ends} | slack }}}}\n"
        "Last visit: {{ row['metric.last_visit'] | slice: 0, 16 | replace: 'T', ' ' }} UTC\n"
        + PERSON.rstrip("\n")
        + LINK
    )
    row = {f"visitor.{field_}": "2026-02-03", "metric.last_visit": "2026-01-20T12:00"}
    columns = list(dict.fromkeys([*VISITOR, f"visitor.{field_}", "metric.last_visit"]))
    return Plan(
        "Ending trials",
        {"name": f"Trial ends within {_days(days)}, inactive", "rules": _all(*rules)},
        {"name": "Ending trials", "range": {"ever": True}, "columns": columns},
        Message(
            f"Trial about to end, and no visit for {inactive} days: {WHO}",
            text,
            {**FACTS, "trial_ends": ends, "last_visit": "row['metric.last_visit']"},
        ),
        reentry={"every_days": 30},
        sample={**SAMPLE, "row": row},
    )


def power_user(given: Mapping[str, Any]) -> Plan:
    name, times, span = given["event"], given["times"], {"within": f"{given['days']}d"}
    rule = {"kind": "event", "name": name, "times": {"at_least": times}, "when": span}
    said = literal(name)
    return Plan(
        f"Power users of {name:.120}",
        {"name": f"Did {name:.120} {times} times", "rules": _all(rule)},
        {
            "name": f"Power users of {name:.120}",
            "range": span,
            "columns": [*VISITOR, {"count": "event", "name": name, "as": "uses"}, "metric.days_active"],
        },
        Message(
            f"Power user of {said}: {WHO}",
            f"{said}: {{{{ row.uses }}}} times in {_days(given['days'])}\n" + PERSON.rstrip("\n") + LINK,
            {**FACTS, "uses": "row.uses"},
        ),
        sample={**SAMPLE, "row": {"uses": times, "metric.days_active": 5}},
    )


def new_visitor(given: Mapping[str, Any]) -> Plan:
    accounts, days = given["accounts"], given["days"]
    span = {"within": f"{days}d"}
    rules: list[dict[str, Any]] = [
        {"kind": "event", "when": span, "where": [{"property": "account.id", "op": "in", "value": accounts}]},
        {"kind": "visitor", "field": "metric.first_visit", "op": "gte", "value": f"now-{days}d"},
    ]
    named = accounts[0][:60] if len(accounts) == 1 else f"{len(accounts)} accounts"
    text = PERSON + "First visit: {{ row['metric.first_visit'] | slice: 0, 16 | replace: 'T', ' ' }} UTC" + LINK
    return Plan(
        f"New visitors of {named}",
        {"name": f"New at {named}", "rules": _all(*rules)},
        {
            "name": f"New visitors of {named}",
            "range": span,
            "columns": [*VISITOR, "metric.first_visit", "metric.days_active"],
        },
        Message(
            f"New visitor{{% if account.id %}} of {{{{ account.id | slack }}}}{{% endif %}}: {WHO}",
            text,
            {**FACTS, "first_visit": "row['metric.first_visit']"},
        ),
        sample={
            **SAMPLE,
            "account": {"id": accounts[0]},
            "row": {"metric.first_visit": "2026-01-31T12:00", "metric.days_active": 1},
        },
    )


SURVEY = Parameter("survey", "Survey", "The name of the survey, as its answers carry it.", "survey", "nps")
RECIPES = {
    one.id: one
    for one in (
        Recipe(
            "nps_responses",
            "NPS responses to Slack",
            "Somebody answers the NPS survey: who, of which account, the score with promoter, passive or detractor, the reason.",
            "Once for each visitor who is new on the report; a second answer within the same days adds no second message.",
            (SURVEY, Parameter("days", "Days", "Answered within so many days.", "number", 1, high=30)),
            nps_responses,
            "#nps",
        ),
        Recipe(
            "trial_ending",
            "Trial about to end, and inactive",
            "A visitor's trial ends within a few days, and they have not been here for a while.",
            "The date must be in the visitor's metadata as text, such as 2026-01-31. At most once in 30 days for a visitor.",
            (
                Parameter("field", "Field with the end", "Of the visitor's metadata.", "field", "agent.trial_ends"),
                Parameter("days", "Ends within days", "Today is day 0.", "number", 3, low=0, high=90),
                Parameter("inactive_days", "Inactive for days", "Without any event.", "number", 7, high=365),
                Parameter("plan_field", "Field of the plan", "Where only one plan counts.", "field", "agent.plan"),
                Parameter("plan", "Plan", "Only visitors on this plan; empty: all.", default=""),
            ),
            trial_ending,
        ),
        Recipe(
            "power_user",
            "Power user reached a number of uses",
            "A visitor has done something so many times within a span.",
            "Once for a visitor, ever.",
            (
                Parameter("event", "Event", "A track event, a page or a click, by its name.", "event"),
                Parameter("times", "Times", "At least so many.", "number", 10, high=1_000_000),
                Parameter("days", "Days", "Within so many days.", "number", 30),
            ),
            power_user,
        ),
        Recipe(
            "new_visitor",
            "New visitor from a named account",
            "Somebody new comes from one of the accounts that you name.",
            "Once for a visitor. New means that the first visit is within the days.",
            (
                Parameter("accounts", "Accounts", "Their ids, one a line.", "ids"),
                Parameter("days", "Days", "First seen within so many days.", "number", 30),
            ),
            new_visitor,
        ),
    )
}
