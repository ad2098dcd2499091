"""Lists from files: in pieces, with bad lines told by their numbers, all at once or not at all."""

import io
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from arrivals.audience import list_files, lists
from arrivals.errors import Invalid
from arrivals.warehouse.client import Warehouse
from tests.test_api_things import api, send
from tests.test_audience_lists import ids
from tests.test_cli_client import Run, run
from tests.test_web_kinds import client, text

__all__ = ("api", "client", "run")


def file(*lines: str) -> io.BytesIO:
    return io.BytesIO("\n".join(lines).encode())


def test_each_line_is_an_id_whatever_program_wrote_the_file(fresh: Warehouse) -> None:
    done = lists.upload(io.BytesIO(b'\xef\xbb\xbfann\r\n bob \r\n\r\n"c, ""d"""\r\nann\nZ\xc3\xbcrich'), name="L")
    assert ids(done.made.id) == ["Zürich", "ann", "bob", 'c, "d"']
    assert (done.made.size, done.lines, done.duplicates, done.refused) == (4, 6, 1, 0)


def test_lines_that_are_no_ids_are_told_by_their_numbers_and_left_out(fresh: Warehouse) -> None:
    long = "x" * 513
    data = b"\n".join([b"ann", long.encode(), b"\xff\xfe", b"a\x00b", b"y" * 100_000, b"bob", "ü".encode() * 5000])
    done = lists.upload(io.BytesIO(data), name="L")
    assert ids(done.made.id) == ["ann", "bob"]
    assert [(one.line, one.reason) for one in done.bad] == [
        (2, "It has more than 512 characters."),
        (3, "It is not UTF-8."),
        (4, "It holds the character NUL."),
        (5, "It has more than 512 characters."),
        (7, "It has more than 512 characters."),
    ]
    assert (done.lines, done.refused) == (7, 5)


def test_only_the_first_bad_lines_are_told_one_by_one(fresh: Warehouse) -> None:
    done = lists.upload(file("ann", *["x" * 513] * 150), name="L")
    assert (len(done.bad), done.refused) == (100, 150)


def test_a_file_takes_the_place_of_the_ids_all_at_once(fresh: Warehouse) -> None:
    made = lists.upload(file("a", "b"), name="L").made
    changed = lists.upload(file("b", "c", "d"), list_id=made.id).made
    assert (ids(made.id), changed.size, changed.id) == (["b", "c", "d"], 3, made.id)


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xff\n"])
def test_a_file_without_ids_changes_nothing(fresh: Warehouse, data: bytes) -> None:
    made = lists.upload(file("a"), name="L").made
    with pytest.raises(Invalid, match="has no id"):
        lists.upload(io.BytesIO(data), list_id=made.id)
    assert ids(made.id) == ["a"]


def test_a_file_with_too_many_different_ids_changes_nothing(fresh: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "MOST", 3)
    monkeypatch.setattr(list_files, "BLOCK", 2)
    made = lists.upload(file("a", "b", "a", "b", "c", "c"), name="L").made
    assert made.size == 3
    with pytest.raises(Invalid, match="at most 3 ids"):
        lists.upload(file("a", "b", "c", "d", "e"), list_id=made.id)
    assert ids(made.id) == ["a", "b", "c"]
    assert fresh.query("SELECT uniqExact(version) FROM list_members") == [(1,)]


def test_an_upload_that_breaks_off_leaves_nothing(fresh: Warehouse) -> None:
    class Broken(io.BytesIO):
        def readline(self, size: int | None = -1) -> bytes:
            line = super().readline(size)
            if not line:
                raise OSError("gone")
            return line

    with pytest.raises(OSError, match="gone"):
        lists.upload(Broken(b"a\nb\n"), name="L")
    assert fresh.query("SELECT count() FROM list_members") == [(0,)]
    assert lists.all_lists() == []


def test_of_a_long_file_one_piece_is_in_memory(fresh: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_files, "BLOCK", 5_000)

    class Long(io.RawIOBase):
        """100,000 ids that are made as they are read."""

        def __init__(self) -> None:
            self.lines = (f"{'visitor' * 8}-{number}\n".encode() for number in range(100_000))

        def readline(self, size: int | None = -1) -> bytes:
            return next(self.lines, b"")

    reader = list_files.Reader(Long())  # type: ignore[arg-type]
    tracemalloc.start()
    total = sum(len(block) for block in reader.blocks())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == reader.ids == 100_000
    assert peak < 3_000_000


def test_a_file_is_uploaded_and_replaced_over_the_api(api: Client) -> None:
    def upload(method: str, path: str, data: bytes, status: int) -> Any:
        answer = api.generic(method, f"/api/v2/lists{path}", data, content_type="text/plain")
        assert answer.status_code == status, answer.content
        return answer.json()

    made = upload("POST", "/file?name=Beta", b"ann\nbob\nann\n" + b"x" * 600, 201)
    assert (made["name"], made["size"], made["lines"], made["duplicates"], made["refused"]) == ("Beta", 2, 4, 1, 1)
    assert made["bad"] == [{"line": 4, "reason": "It has more than 512 characters."}]
    assert upload("PUT", f"/{made['id']}/file", b"cid", 200)["size"] == 1
    assert ids(made["id"]) == ["cid"]
    assert send(api, "GET", f"/lists/{made['id']}")["size"] == 1
    assert upload("PUT", f"/{made['id']}/file", b"", 422)["path"] == "file"
    assert upload("PUT", "/lst_none/file", b"a", 404)["code"] == "not_found"


def test_a_file_is_uploaded_with_the_command(run: Run, tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_bytes(b"ann\nbob\nann\n" + b"x" * 600)
    done = run("list", "create", "Beta", str(tmp_path / "ids.txt"))
    assert (done.exit_code, done.stderr) == (0, "line 4: It has more than 512 characters.\n")
    [made] = lists.all_lists()
    assert done.stdout == f"{made.id}: 2 ids of 4 lines, 1 more than once.\n"
    (tmp_path / "ids.txt").write_text("cid")
    assert run("list", "replace", made.id, str(tmp_path / "ids.txt"), "--json").exit_code == 0
    assert ids(made.id) == ["cid"]
    assert run("list", "show").stdout.splitlines()[1].split() == [made.id, "Beta", "1"]


def test_a_file_is_uploaded_replaced_and_deleted_on_its_page(client: Client) -> None:
    assert "You have the ids already?" in text(client, "/segments/lists")
    data = SimpleUploadedFile("ids.txt", b"ann\nbob\nann\n" + b"x" * 600)
    assert client.post("/segments/lists", {"name": "Beta", "file": data}).status_code == 302
    told = text(client, "/segments/lists")
    assert "Beta has 2 ids. 1 stood in the file more than once. 1 lines are no ids" in told
    [made] = lists.all_lists()
    client.post(f"/segments/lists/{made.id}", {"file": SimpleUploadedFile("ids.txt", b"cid")})
    assert ids(made.id) == ["cid"]
    refused = client.post("/segments/lists", {"name": "", "file": SimpleUploadedFile("ids.txt", b"a")})
    assert (refused.status_code, "The name must be" in refused.content.decode()) == (422, True)
    client.post(f"/segments/lists/{made.id}/delete")
    assert lists.all_lists() == []
