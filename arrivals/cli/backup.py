"""``arrivals backup`` and ``arrivals restore``: the default stores as one archive, while no server runs."""

import json
import os
import sqlite3
import tarfile
import tempfile
from contextlib import closing
from pathlib import Path, PurePosixPath

import click

from arrivals import __version__, clock, config
from arrivals.cli import lock
from arrivals.errors import Conflict, Invalid

DATABASE, WAREHOUSE, KEYS, ABOUT = "arrivals.db", "warehouse", "secret_keys", "about.json"
FORMAT = 1


@click.command(short_help="Write all data to one file.")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON only.")
def backup(file: Path, as_json: bool) -> None:
    """Write control database, event store and secret keys to FILE.tar.gz. Stop the server first."""
    settings = _default_stores()
    if file.exists():
        raise Conflict(f"{file} exists; choose another name.")
    if not (settings.home / DATABASE).exists():
        raise Conflict(f"There is nothing to back up in {settings.home}.")
    if not file.parent.is_dir():
        raise Invalid(f"There is no folder {file.parent}.", path="FILE")
    with lock.held(settings.home):
        save(settings.home, file)
    _say(as_json, f"Wrote {file}. It holds the secret keys: keep it as safe as a password.", file)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Put it in the place of the data there is, which is kept beside it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON only.")
def restore(file: Path, force: bool, as_json: bool) -> None:
    """Bring back what `arrivals backup` wrote to FILE. Stop the server first."""
    home = _default_stores().home
    with lock.held(home):
        occupied = [one.name for one in home.iterdir() if one.name != lock.NAME]
        if occupied and not force:
            raise Conflict(f"{home} holds data already ({', '.join(sorted(occupied))}); give --force to replace it.")
        aside = load(file, home)
    kept = f" What was there before is in {aside}." if aside else ""
    _say(as_json, f"Restored {home} from {file}.{kept}", file)


def save(home: Path, file: Path) -> None:
    """Write the archive beside ``file`` and rename it when it is whole and on disk."""
    with (
        tempfile.TemporaryDirectory(dir=home) as folder,
        tempfile.NamedTemporaryFile(dir=file.parent, prefix=f".{file.name}.", delete=False) as output,
    ):
        try:
            copy = Path(folder) / DATABASE
            with closing(sqlite3.connect(home / DATABASE)) as source, closing(sqlite3.connect(copy)) as target:
                source.backup(target)
            about = Path(folder) / ABOUT
            about.write_text(json.dumps({"format": FORMAT, "version": __version__, "at": clock.iso(clock.now())}))
            with tarfile.open(fileobj=output, mode="w:gz", compresslevel=3) as archive:
                archive.add(about, ABOUT)
                archive.add(copy, DATABASE)
                for name in (KEYS, WAREHOUSE):
                    if (home / name).exists():
                        archive.add(home / name, name)
            output.flush()
            os.fsync(output.fileno())
            os.replace(output.name, file)
        except BaseException:
            Path(output.name).unlink(missing_ok=True)
            raise


def load(file: Path, home: Path) -> Path | None:
    """Put the archive's content into ``home``; return the folder that what was there went to.

    1. Unpack into a new folder beside the data; look at every member before it is written.
    2. Check the database.
    3. Move what is there into a folder of its own, then the new things into their place, each by a rename.
    A failure in 1 or 2 changes nothing.
    """
    with tempfile.TemporaryDirectory(dir=home, prefix="restoring-") as folder:
        unpacked = Path(folder)
        try:
            with tarfile.open(file, "r:gz") as archive:
                archive.extractall(unpacked, filter=_checked)  # noqa: S202 - the filter looks at every member
        except (tarfile.TarError, EOFError, OSError) as error:
            raise Invalid(f"{file} is not a whole backup of Arrivals: {error}.", path="FILE") from error
        _verify(file, unpacked)
        olds = [one for one in home.iterdir() if one.name != lock.NAME and one != unpacked]
        aside = home.with_name(f"{home.name}.before-{clock.now():%Y%m%d-%H%M%S-%f}") if olds else None
        if aside:
            aside.mkdir(mode=0o700)
            for old in olds:
                old.rename(aside / old.name)
        for new in sorted(unpacked.iterdir()):
            if new.name != ABOUT:
                new.rename(home / new.name)
        return aside


def _checked(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo:
    top = PurePosixPath(member.name).parts[:1]
    if top not in {(DATABASE,), (WAREHOUSE,), (KEYS,), (ABOUT,)}:
        raise tarfile.FilterError(f"it holds {member.name!r}, which no backup of Arrivals has")
    if member.islnk():
        raise tarfile.FilterError(f"it holds {member.name!r}, a hard link, which no backup of Arrivals has")
    safe = tarfile.data_filter(member, folder)  # refuses absolute names, .., devices, links that lead out
    if top == (KEYS,):
        safe = safe.replace(mode=0o600, deep=False)
    return safe


def _verify(file: Path, unpacked: Path) -> None:
    try:
        about = json.loads((unpacked / ABOUT).read_text())
        if about["format"] != FORMAT:
            raise Invalid(
                f"{file} was written by Arrivals {about['version']}, which this one cannot read.", path="FILE"
            )
        with closing(sqlite3.connect(unpacked / DATABASE)) as database:
            (well,) = database.execute("PRAGMA integrity_check").fetchone()
    except (OSError, ValueError, KeyError, TypeError, sqlite3.Error) as error:
        raise Invalid(f"{file} is not a whole backup of Arrivals: {error}.", path="FILE") from error
    if well != "ok":
        raise Invalid(f"The control database in {file} is damaged: {well}.", path="FILE")


def _default_stores() -> config.Config:
    settings = config.read(os.environ)
    if settings.database_url != f"sqlite:///{settings.home / DATABASE}":
        raise Conflict("The control database is not the one in the home folder: use its own tools, such as `pg_dump`.")
    if settings.warehouse_url != f"chdb://{settings.home / WAREHOUSE}":
        raise Conflict("The event store is not the one in the home folder: use ClickHouse's `BACKUP DATABASE`.")
    return settings


def _say(as_json: bool, sentence: str, file: Path) -> None:
    click.echo(json.dumps({"file": str(file), "bytes": file.stat().st_size}) if as_json else sentence)
