"""The signed link that lets somebody point at elements on their own site: who, which source, for an hour."""

from dataclasses import dataclass

from django.core import signing

from arrivals.accounts.models import Person
from arrivals.collect import sources
from arrivals.collect.models import Source
from arrivals.errors import NotFound, NotSignedIn

SECONDS = 3600
SALT = "arrivals.picker"
# What the agent looks for in the address.
MARK = "arrivals-picker"


@dataclass(frozen=True)
class Picking:
    """``by`` is the e-mail address of the person who made the link."""

    by: str
    source: Source


def token(person: Person, source: Source) -> str:
    """A token for the picker of one source; valid for an hour, and for nothing else."""
    return signing.dumps([person.pk, source.id], salt=SALT)


def read(given: object) -> Picking:
    """Whose token it is. Raises NotSignedIn: it is not ours, too old, or the person or the source is gone."""
    try:
        person_id, source_id = signing.loads(given if isinstance(given, str) else "", salt=SALT, max_age=SECONDS)
    except signing.SignatureExpired as error:
        raise NotSignedIn("The link was made over an hour ago; make a new one.") from error
    except (signing.BadSignature, ValueError) as error:
        raise NotSignedIn("The link is not valid; make a new one.") from error
    person = Person.objects.filter(pk=person_id, is_active=True).first()
    if person is None:
        raise NotSignedIn("Whoever made the link may not sign in any more.")
    try:
        return Picking(person.email, sources.get(source_id))
    except NotFound as error:
        raise NotSignedIn("The source of the link is gone.") from error
