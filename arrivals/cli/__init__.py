"""The ``arrivals`` command: one module per command, imported when it is asked for.

Exit codes: 0 done, 1 refused or failed with a one-line reason on stderr, 2 wrong usage. With --json, stdout holds JSON
and nothing else; an error is then ``{"error": {"code", "message"}}`` there.
"""

import json
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import click

from arrivals.errors import ArrivalsError

COMMANDS = {
    "serve": "arrivals.cli.serve:serve",
    "setup": "arrivals.cli.setup:setup",
    "import": "arrivals.cli.import_:import_file",
    "export": "arrivals.cli.export:export",
    "report": "arrivals.cli.report:report",
    "list": "arrivals.cli.list_:list_",
    "workflow": "arrivals.cli.workflow:workflow",
    "run": "arrivals.cli.run:run",
    "doctor": "arrivals.cli.doctor:doctor",
    "backup": "arrivals.cli.backup:backup",
    "restore": "arrivals.cli.backup:restore",
    "settings": "arrivals.cli.settings:settings",
}


class Commands(click.Group):
    """Finds its commands by name and turns our errors into one line and exit code 1."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name, place in COMMANDS.items() if find_spec(place.partition(":")[0])]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        as_json = "--json" in [*ctx._protected_args, *ctx.args]
        try:
            return super().invoke(ctx)
        except ArrivalsError as error:
            if as_json:
                click.echo(json.dumps({"error": error.as_dict()}, ensure_ascii=False))
            else:
                click.echo(f"arrivals: {error}", err=True)
            ctx.exit(1)


@click.group(cls=Commands)
@click.version_option(package_name="arrivals", prog_name="arrivals")
def main() -> None:
    """Arrivals: product analytics whose reports act."""
