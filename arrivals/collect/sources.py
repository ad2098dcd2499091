"""Sources: make, find, rename, delete. Blocks (Django ORM)."""

from arrivals.collect.models import Source


def create(name: str) -> tuple[Source, str]:
    """Make a source; return it and its track secret, which is shown this once.

    Raises:
        Invalid: the name is empty or longer than 200 characters.
    """
    raise NotImplementedError


def get(source_id: str) -> Source:
    """Raises NotFound."""
    raise NotImplementedError


def rename(source_id: str, name: str) -> Source:
    raise NotImplementedError


def delete(source_id: str) -> None:
    """Delete the source: its write key is refused from now on. Its events stay in the warehouse."""
    raise NotImplementedError


def as_dict(source: Source) -> dict[str, object]:
    """As the API shows it: id, name, write_key, track_secret_hint, created_at."""
    raise NotImplementedError
