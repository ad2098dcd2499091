"""Files uploaded on the page or over the API: imported in the background, once, whatever dies."""

import gzip
import json
import os
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from arrivals import clock
from arrivals.accounts import keys, people
from arrivals.collect import imports, sending, sources, uploads
from arrivals.collect.models import Import
from arrivals.collect.writer import Writer
from arrivals.errors import Unavailable
from arrivals.warehouse.client import Warehouse
from arrivals.warehouse.events import EventStore


def rows(number: int = 25) -> bytes:
    return b"".join(
        json.dumps({"event": "Export", "properties": {"time": 1700000000 + n, "distinct_id": f"u{n % 5}", "$insert_id": f"i{n}"} if n != 7 else {}}).encode() + b"\n"
        for n in range(number)
    )  # fmt: skip


@pytest.fixture
async def worker(fresh: Warehouse) -> AsyncIterator[uploads.Worker]:
    writer = Writer(EventStore())
    await writer.start()
    yield uploads.Worker(writer)
    await writer.stop()


async def source() -> str:
    made, _ = await sync_to_async(sources.create)("Shop")
    return made.id


async def taken(body: bytes, given: dict[str, Any] | None = None, name: str = "events.jsonl", into: str = "") -> Import:
    into = into or await source()
    return await sync_to_async(uploads.take)(into, name, {"from": "mixpanel"} if given is None else given, iter([body]))


async def again(found: Import) -> Import:
    return await sync_to_async(imports.get)(found.id)


def count(store: Warehouse) -> int:
    [(number,)] = store.query("SELECT count() FROM events")
    return int(number)


async def test_an_uploaded_file_is_imported_and_deleted_and_its_refused_rows_are_kept(
    worker: uploads.Worker, fresh: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "BATCH", 4)
    found = await taken(gzip.compress(rows()))
    assert (found.state, found.uploaded, uploads.path_of(found).exists()) == ("running", True, True)
    assert await worker.work()
    assert not await worker.work()
    done = await again(found)
    assert (done.state, done.offset, done.kept, done.refused, done.read) == ("done", 25, 24, 1, done.size)
    assert not uploads.path_of(found).exists()
    [line] = (uploads.folder() / f"{found.id}.rejected").read_text().splitlines()
    assert (json.loads(line)["row"], json.loads(line)["reason"]) == (8, "properties.time: The event has no time.")
    assert count(fresh) == 24


async def test_the_same_file_again_changes_nothing(worker: uploads.Worker, fresh: Warehouse) -> None:
    first = await taken(rows())
    await worker.work()
    second = await taken(rows(), into=first.source_id)
    assert (second.id, second.state) == (first.id, "done")
    assert not await worker.work()
    assert list(uploads.folder().glob("*.part")) == []


async def test_a_file_that_was_lost_goes_on_when_it_comes_again(worker: uploads.Worker, fresh: Warehouse) -> None:
    first = await taken(rows())
    uploads.path_of(first).unlink()  # as after a restore from a backup
    assert not await worker.work()
    second = await taken(rows(), into=first.source_id)
    assert second.id == first.id
    assert await worker.work()
    assert (await again(first)).state == "done"
    assert count(fresh) == 24


async def test_a_file_that_the_command_is_sending_is_not_taken(fresh: Warehouse) -> None:
    import hashlib

    from arrivals.errors import Conflict

    into = await source()
    digest = hashlib.sha256(rows()).hexdigest()
    await sync_to_async(imports.begin)(into, filename="x", digest=digest, mapping={"from": "mixpanel"})
    with pytest.raises(Conflict, match="is being sent by `arrivals import`"):
        await taken(rows(), into=into)


class Dying(Writer):
    """Dies at the third batch, as a process does: the claim stays."""

    left = 3

    async def write(self, events: Any, *, history: bool = False) -> list[bool]:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt
        return await super().write(events, history=history)


async def test_an_import_killed_in_the_middle_goes_on_where_it_was(
    fresh: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "BATCH", 4)
    found = await taken(rows())
    dying = Dying(EventStore())
    await dying.start()
    with pytest.raises(KeyboardInterrupt):
        await uploads.Worker(dying).work()
    assert (await again(found)).offset == 8
    await dying.stop()
    writer = Writer(EventStore())
    await writer.start()
    worker = uploads.Worker(writer)
    assert not await worker.work()  # the claim of the dead one holds
    await sync_to_async(uploads.forget_claims)()
    assert await worker.work()
    await writer.stop()
    done = await again(found)
    assert (done.state, done.kept + done.repeated, done.refused, count(fresh)) == ("done", 24, 1, 24)
    assert len((uploads.folder() / f"{found.id}.rejected").read_text().splitlines()) == 1


async def test_a_claim_that_ended_is_taken_over(worker: uploads.Worker, fresh: Warehouse) -> None:
    found = await taken(rows(3))
    past = clock.now() - uploads.LEASE
    await sync_to_async(Import.objects.filter(pk=found.pk).update)(claim="clm_dead", claimed_until=past)
    assert await worker.work()
    assert (await again(found)).state == "done"


class Busy(Writer):
    refusals = 2

    async def write(self, events: Any, *, history: bool = False) -> list[bool]:
        if self.refusals:
            self.refusals -= 1
            raise Unavailable("busy")
        return await super().write(events, history=history)


async def test_a_busy_store_is_waited_for(fresh: Warehouse) -> None:
    writer = Busy(EventStore())
    await writer.start()
    worker = uploads.Worker(writer)
    found = await taken(rows(5))
    for _ in range(3):
        await worker.work()
        await sync_to_async(uploads.forget_claims)()
    await writer.stop()
    assert (await again(found)).state == "done"
    assert count(fresh) == 5


async def test_a_file_that_breaks_off_has_failed_and_may_come_again_whole(
    worker: uploads.Worker, fresh: Warehouse
) -> None:
    whole = gzip.compress(rows(2_000))
    found = await taken(whole[: len(whole) // 2], name="cut.gz")
    await worker.work()
    failed = await again(found)
    assert failed.state == "failed"
    assert failed.error.startswith("cut.gz breaks off")
    assert not uploads.path_of(found).exists()
    other = await taken(whole, into=found.source_id)
    await worker.work()
    done = await again(other)
    assert (done.state, done.kept + done.repeated) == ("done", 1_999)
    assert count(fresh) == 1_999


async def test_without_a_product_calls_are_recognised_and_columns_go_by_name(
    worker: uploads.Worker, fresh: Warehouse
) -> None:
    call = {"type": "track", "userId": "u1", "event": "x", "messageId": "m1", "timestamp": "2020-01-01T00:00:00Z"}
    segment = await taken(json.dumps(call).encode(), given={})
    assert segment.mapping == {"segment": True}
    table = await taken(b"user_id,timestamp,event_name,price\nu2,2020-01-02,buy,5\n", given={}, into=segment.source_id)
    assert table.mapping["columns"] == {"visitor": "user_id", "ts": "timestamp", "event": "event_name"}
    while await worker.work():
        pass
    assert fresh.query("SELECT visitor_id, name, properties FROM events ORDER BY ts") == [
        ("u1", "x", "{}"),
        ("u2", "buy", '{"price":5}'),
    ]


def test_refused_rows_are_kept_for_a_month_and_drafts_for_a_day(fresh: Warehouse) -> None:
    uploads.folder().mkdir(parents=True, exist_ok=True)
    for name, days in (("a.part", 2), ("b.part", 0.5), ("c.rejected", 31), ("d.rejected", 29)):
        path = uploads.folder() / name
        path.write_text("x")
        os.utime(path, (time.time() - days * 86_400,) * 2)
    uploads.tidy()
    left = {path.name for path in uploads.folder().iterdir()}
    assert {"b.part", "d.rejected"} <= left
    assert not {"a.part", "c.rejected"} & left
    for name in ("b.part", "d.rejected"):
        (uploads.folder() / name).unlink()


# Over the API and on the page


@pytest.fixture
def shop(fresh: Warehouse) -> str:
    return sources.create("Shop")[0].id


def bearer(**more: Any) -> Client:
    secret = keys.create("CI", write=True, by="ada@example.com", **more)[1]
    return Client(headers={"Authorization": f"Bearer {secret}"})


def upload(client: Client, query: str, body: bytes) -> Any:
    return client.post(f"/api/v2/imports/files?{query}", body, content_type="application/octet-stream")


def test_a_file_is_uploaded_as_the_body(shop: str) -> None:
    client = bearer()
    made = upload(client, f"source={shop}&from=mixpanel&filename=events.jsonl&group=company", rows())
    assert (made.status_code, made.json()["state"], made.json()["size"]) == (201, "running", len(rows()))
    assert made.json()["mapping"] == {"from": "mixpanel", "group": "company"}
    one = client.get(f"/api/v2/imports/{made.json()['id']}").json()
    assert (one["filename"], one["offset"]) == ("events.jsonl", 0)
    assert client.get(f"/api/v2/imports/{one['id']}/rejected").status_code == 404


REFUSED = [
    ("from=heap", b'{"a":1}\n', 422, "mapping.from"),
    ("from=ga4&time_zone=Mars", b'{"a":1}\n', 422, "mapping.time_zone"),
    ("from=ga4", b"", 422, "file"),
    ("from=ga4", b"[1]", 422, "file"),
    ("", b"name,value\nx,1\n", 422, "mapping.columns.visitor"),
]


@pytest.mark.parametrize(("query", "body", "status", "path"), REFUSED)
def test_what_cannot_be_imported_is_refused_and_no_file_stays(
    shop: str, query: str, body: bytes, status: int, path: str
) -> None:
    answer = upload(bearer(), f"source={shop}&filename=x&{query}", body)
    assert (answer.status_code, answer.json()["path"]) == (status, path), answer.json()
    assert str(uploads.folder()) not in answer.json()["detail"]
    assert list(uploads.folder().glob("*.part")) == []
    assert not Import.objects.exists()


def test_a_key_of_another_source_may_not_upload_or_look(shop: str) -> None:
    other, _ = sources.create("Other")
    made = upload(bearer(), f"source={shop}&from=mixpanel&filename=x", rows(3)).json()
    scoped = bearer(source_id=other.id)
    assert upload(scoped, f"source={shop}&from=mixpanel&filename=x", rows(4)).status_code == 403
    assert scoped.get(f"/api/v2/imports/{made['id']}").status_code == 403
    assert scoped.get(f"/api/v2/imports/{made['id']}/rejected").status_code == 403
    assert upload(scoped, f"source={other.id}&from=mixpanel&filename=x", rows(3)).status_code == 201


def test_the_page_of_a_source_takes_a_file_and_shows_it(shop: str) -> None:
    person = people.create("ada@example.com", password="a long password", role="admin")
    client = Client()
    client.force_login(person)
    file = SimpleUploadedFile("export.jsonl", rows())
    answer = client.post(f"/sources/{shop}/imports", {"from": "mixpanel", "file": file, "group": "", "time_zone": ""})
    assert (answer.status_code, answer["Location"]) == (302, f"/sources/{shop}")
    page = client.get(f"/sources/{shop}").content.decode()
    assert "export.jsonl is being imported." in page
    assert 'hx-trigger="every 2s" hx-swap="outerHTML"' in page
    Import.objects.update(state="done", kept=24, refused=1)
    part = client.get(f"/sources/{shop}/imports").content.decode()
    assert "hx-trigger" not in part
    assert "/rejected" in part
    wrong = client.post(
        f"/sources/{shop}/imports", {"from": "mixpanel"}, headers={"Referer": f"http://t/sources/{shop}"}
    )
    assert wrong.status_code == 302
    assert "Choose a file to import." in client.get(f"/sources/{shop}").content.decode()


def test_days_are_set_on_the_page(shop: str) -> None:
    client = Client()
    client.force_login(people.create("ada@example.com", password="a long password", role="admin"))
    client.post(f"/sources/{shop}/retention", {"days": "30"})
    assert sources.get(shop).retention_days == 30
    assert "Events are kept for 30 days" in client.get(f"/sources/{shop}").content.decode()
    client.post(f"/sources/{shop}/retention", {"days": "0"}, headers={"Referer": f"http://t/sources/{shop}"})
    assert "from 1 to 3,660" in client.get(f"/sources/{shop}").content.decode()
    client.post(f"/sources/{shop}/retention", {"days": ""})
    assert sources.get(shop).retention_days is None
