"""``arrivals setup``: the first admin, the first source and the first integration key, once."""

import json
import os
import secrets

import click

from arrivals import config
from arrivals.cli import lock
from arrivals.errors import Conflict

SOURCE = "My product"
KEY = "Made by arrivals setup"
ONE_AT_A_TIME = 0x41525249  # the number of a Postgres advisory lock


@click.command(short_help="Make the first admin, source and integration key.")
@click.option("--email", required=True, help="The address the first admin signs in with.")
@click.option("--password", help="Their password, 10 characters or more; made if left out.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON only.")
def setup(email: str, password: str | None, as_json: bool) -> None:
    """Make the first admin, the first source and an integration key; print them this once.

    Works whether or not a server runs: it uses the control database and leaves the event store to the server.
    """
    made = first(email, password or secrets.token_urlsafe(15))
    if as_json:
        click.echo(json.dumps(made))
        return
    click.echo("Arrivals is set up. What follows is shown this once; keep it.\n")
    for name, value in made.items():
        click.echo(f"  {name:<16} {value}")
    click.echo("\nNext: `arrivals serve`, then sign in at the address above.")


def first(email: str, password: str) -> dict[str, str]:
    """Set up an empty control database, all or nothing.

    Raises:
        Conflict: there is somebody already. Invalid: the address or the password (path "email" or "password").
    """
    settings = config.current()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "arrivals.settings")
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection, transaction

    from arrivals.accounts import audit, keys, people
    from arrivals.audience import dashboards
    from arrivals.collect import sources

    with lock.turn(settings.home):
        call_command("migrate", verbosity=0, interactive=False)
    with transaction.atomic():
        if connection.vendor == "postgresql":  # SQLite lets in one writer at a time by itself
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ONE_AT_A_TIME])
        if people.anybody():
            raise Conflict("Arrivals is set up already: an admin makes further people on the page People.")
        person = people.create(email, password=password, role="admin")
        source, track_secret = sources.create(SOURCE)
        _, integration_key = keys.create(KEY, write=True, by=person.email)
        dashboards.overview()
        audit.note(person.email, "setup", source.id)
    return {
        "url": settings.public_url,
        "email": person.email,
        "password": password,
        "source_id": source.id,
        "write_key": source.write_key,
        "track_secret": track_secret,
        "integration_key": integration_key,
    }
