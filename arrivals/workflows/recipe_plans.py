"""What each recipe makes of the answers: rules, a report, and the message. Data only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

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
ANSWER = {"score": 9, "class": "promoter", "reason": "It saves me an hour a day.", "at": "2026-01-31T12:00"}


@dataclass(frozen=True)
class Plan:
    """What a recipe makes: ``segment`` {name, rules} or None, ``report`` {name, kind, range, columns}, ``trigger``
    without its report, ``reentry``, and a ``message``. ``name`` begins the workflow's. ``sample`` is what the message is
    shown with while nobody is on the report. ``shared``: the trigger brings its report, which all workflows like it
    share; ``report`` only shows who is on it."""

    name: str
    segment: dict[str, Any] | None
    report: dict[str, Any]
    message: Message
    trigger: dict[str, Any] = field(default_factory=lambda: {"kind": "visitor_in_report"})
    reentry: Any = "never"
    sample: Mapping[str, Any] = field(default_factory=dict)
    shared: bool = False


def _all(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"all": [{"any": [rule]} for rule in rules]}


def _days(number: int) -> str:
    return f"{number} days" if number != 1 else "a day"


def _word(survey: str) -> str:
    """A survey's name as people say it."""
    return survey.upper() if survey.lower() in {"nps", "csat", "pmf"} else survey[:120]


def _said(place: str, at: str) -> str:
    """The lines of an answer whose parts stand at ``place``, and its time at ``at``."""
    return (
        f"{{% if {place}.score != nil %}}Score: {{{{ {place}.score }}}}"
        f"{{% if {place}.class %}}, a {{{{ {place}.class }}}}{{% endif %}}\n{{% endif %}}"
        f"Reason: {{{{ {place}.reason | default: 'none given' | slack }}}}\n{PERSON}"
        f"Answered: {{{{ {at} | slice: 0, 16 | replace: 'T', ' ' }}}} UTC{LINK}"
    )


def _scored(word: str, place: str) -> str:
    how = f"{{% if {place}.score != nil %}}scored {{{{ {place}.score }}}}{{% else %}}answered{{% endif %}}"
    return f"{literal(word)}: {WHO} {how}"


def _answer_facts(place: str, at: str) -> dict[str, str]:
    parts = {name: f"{place}.{name}" for name in ("score", "class", "reason")}
    return {**FACTS, **parts, "answered_at": at}


def nps_responses(given: Mapping[str, Any]) -> Plan:
    survey, span = given["survey"], {"within": f"{given['days']}d"}
    word = _word(survey)
    parts = (("score", "score"), ("class", "class"), ("reason", "reason"), ("at", "answered_at"))
    columns = [*VISITOR, *({"survey": survey, "part": part, "as": label} for part, label in parts)]
    return Plan(
        f"{word} responses",
        {"name": f"{word} Responders", "rules": _all({"kind": "survey", "survey": survey, "when": span})},
        {"name": f"{word} Responses", "range": span, "columns": columns},
        Message(_scored(word, "row"), _said("row", "row.answered_at"), _answer_facts("row", "row.answered_at")),
        # They leave the report when the answer is old, so that each return is another answer.
        reentry="each_return",
        sample={**SAMPLE, "row": {**ANSWER, "answered_at": ANSWER["at"]}},
    )


def nps_pendo(given: Mapping[str, Any]) -> Plan:
    score, reason = f'row["{given["score"]}"]', f'row["{given["reason"]}"]' if given["reason"] else "nil"
    text = (
        f'{{% if {score} != nil and {score} != "" %}}{{% assign points = {score} | plus: 0 %}}'
        "{% if points >= 9 %}{% assign class = 'promoter' %}{% elsif points >= 7 %}{% assign class = 'passive' %}"
        "{% else %}{% assign class = 'detractor' %}{% endif %}"
        f"Score: {{{{ {score} | slack }}}}, a {{{{ class }}}}\n{{% endif %}}"
        f"Reason: {{{{ {reason} | default: 'none given' | slack }}}}\n{PERSON}"
        f"Seen: {{{{ arrival.at | slice: 0, 16 | replace: 'T', ' ' }}}} UTC{LINK}"
    )
    return Plan(
        "NPS responses of Pendo",
        None,
        {
            "name": "NPS responses of Pendo",
            "kind": "visitor",
            "origin": {"connection": given["pendo"], "report": given["report"]},
        },
        Message(
            f"NPS: {WHO} scored {{{{ {score} | slack }}}}",
            text,
            {**FACTS, "score": score, "class": "class", "reason": reason},
        ),
        # As with our own: they leave the report when the answer is old.
        reentry="each_return",
        sample={**SAMPLE, "row": {given["score"]: 9, given["reason"]: ANSWER["reason"]}},
    )


def each_response(given: Mapping[str, Any]) -> Plan:
    survey = given["survey"]
    word = _word(survey)
    columns = ["response.id", *VISITOR]
    facts = {**_answer_facts("response", "response.at"), "response": "response.id"}
    return Plan(
        f"Each {word} response",
        None,
        {
            "name": f"Responses to {survey}",
            "kind": "response",
            "survey": survey,
            "range": {"within": "30d"},
            "columns": columns,
        },
        Message(_scored(word, "response"), _said("response", "response.at"), facts),
        trigger={"kind": "survey_response", "survey": survey},
        sample={**SAMPLE, "response": ANSWER},
        shared=True,
    )


def account_quiet(given: Mapping[str, Any]) -> Plan:
    days = given["days"]
    last = "row['metric.last_visit']"
    facts = {name: FACTS[name] for name in ("account", "at", "run", "report")}
    return Plan(
        "Quiet accounts",
        None,
        {
            "name": f"Accounts active within {_days(days)}",
            "kind": "account",
            "range": {"within": f"{days}d"},
            "columns": ["account.id", "metric.visitors", "metric.last_visit"],
        },
        Message(
            "Account gone quiet: {{ account.agent.name | default: account.id | slack }}",
            f"Nobody of {{{{ account.id | slack }}}} was here within {_days(days)}.\n"
            f"Last visit: {{{{ {last} | slice: 0, 16 | replace: 'T', ' ' }}}} UTC" + LINK,
            {**facts, "last_visit": last},
        ),
        trigger={"kind": "account_left_report"},
        reentry="each_return",
        sample={
            "account": {"id": "acme", "agent": {"name": "Acme"}},
            "row": {"account.id": "acme", "metric.visitors": 3, "metric.last_visit": "2026-01-20T12:00"},
        },
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
