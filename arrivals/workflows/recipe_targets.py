"""Where a recipe's message goes: the step for each app that can carry it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from arrivals.errors import Invalid
from arrivals.workflows import actions
from arrivals.workflows.recipe_parameters import Parameter

CONNECTION = Parameter("connection", "Connection", "Made on the page Connections.", "connection")
OPTIONAL = Parameter("connection", "Connection", "", "connection", "")


@dataclass(frozen=True)
class Target:
    """An app and the action that a message becomes. ``where`` ends the workflow's name."""

    app: str
    action: str
    title: str
    where: str
    parameters: tuple[Parameter, ...]


TARGETS = {
    one.app: one
    for one in (
        Target(
            "inbox",
            "post_message",
            "Inbox",
            "the inbox",
            (Parameter("channel", "Channel", "A word to sort messages by.", default="#arrivals"),),
        ),
        Target(
            "slack",
            "send_message",
            "Slack",
            "Slack",
            (CONNECTION, Parameter("channel", "Channel", "#name or id; needed with a bot's token.", default="")),
        ),
        Target(
            "email",
            "send",
            "Email",
            "email",
            (Parameter("to", "To", "Addresses, separated by commas."), OPTIONAL),
        ),
        Target(
            "webhook",
            "send",
            "Webhook",
            "a webhook",
            (Parameter("url", "Address", "Gets the message and its parts as JSON."), OPTIONAL),
        ),
    )
}


@dataclass(frozen=True)
class Message:
    """Templates, with values that a visitor gave in Slack's markup (the filter ``slack``). ``title`` is one line.
    ``facts``: what a webhook gets beside them, as names and the expressions that give their values."""

    title: str
    text: str
    facts: Mapping[str, str] = field(default_factory=dict)


def of(app: Any) -> Target:
    """Raises Invalid when no message can be sent with ``app``."""
    found = TARGETS.get(app) if isinstance(app, str) else None
    if found is None:
        raise Invalid(f"It must be one of {', '.join(TARGETS)}; got {app!r:.60}.", path="app")
    return found


def check(target: Target, parameters: Iterable[Parameter], values: Mapping[str, Any]) -> Invalid | None:
    """What is wrong with where the message goes, as the error to raise: something is missing, or no connection of that
    app. Blocks."""
    for one in parameters:
        if one.default is None and not values[one.name]:
            return Invalid(f"{one.title} is missing.", path=one.name)
    catalogue, connection = actions.catalogue(), values.get("connection", "")
    if not connection and not catalogue.needs_connection(target.app):
        return None
    sentence = catalogue.connection_problem(target.app, connection)
    return Invalid(sentence, path="connection") if sentence else None


def step(target: Target, values: Mapping[str, Any], message: Message) -> dict[str, Any]:
    """The action of a workflow that sends ``message``."""
    title, text = plain(message.title), plain(message.text)
    match target.app:
        case "slack":
            inputs: dict[str, Any] = {"text": f"*{message.title}*\n{message.text}"}
            inputs |= {"channel": values["channel"]} if values["channel"] else {}
        case "email":
            subject = f"{{% capture title %}}{title}{{% endcapture %}}{{{{ title | strip_newlines }}}}"
            inputs = {"to": values["to"], "subject": subject, "text": text}
        case "webhook":
            inputs = {"url": values["url"], "body": _json(title, text, message.facts)}
        case _:
            inputs = {"channel": values["channel"], "title": title, "text": text}
    made = {"id": "tell", "type": "action", "app": target.app, "action": target.action, "inputs": inputs}
    return {**made, "connection": values["connection"]} if values.get("connection") else made


def plain(template: str) -> str:
    """A message's template for a reader who knows no markup."""
    return template.replace(" | slack", "")


def literal(text: str) -> str:
    """A person's own words inside of a template, which they cannot change."""
    return f"{{% raw %}}{text}{{% endraw %}}" if "{" in text else text


def _json(title: str, text: str, facts: Mapping[str, str]) -> str:
    """A body that is JSON when it is filled in: numbers stay numbers, and what is not known is null."""
    parts = [f'"{name}": {{{{ {expression} | json }}}}' for name, expression in facts.items()]
    captured = f"{{% capture title %}}{title}{{% endcapture %}}{{% capture text %}}{text}{{% endcapture %}}"
    return f'{captured}{{"title": {{{{ title | json }}}}, "text": {{{{ text | json }}}}, {", ".join(parts)}}}'
