"""Files to import: every form they come in, and every way in which they are broken."""

import gzip
import json
import zipfile
from collections import deque
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arrivals.collect.arrays import elements
from arrivals.collect.files import LONGEST_ROW, EmptyFile, File, MessageIds, Row
from arrivals.errors import Invalid

EXPECTED: list[dict[str, Any]] = [{"who": "ann", "what": "export"}, {"who": "bob", "what": "log in"}]


def file(folder: Path, content: bytes | str, name: str = "events.csv") -> File:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return File(path)


def refused(read: File) -> list[tuple[int, str]]:
    return [(row.number, row.reason) for row in read.rows() if row.values is None]


GOOD: list[tuple[str, bytes]] = [
    ("commas", b"who,what\nann,export\nbob,log in\n"),
    ("semicolons", b"who;what\nann;export\nbob;log in\n"),
    ("tabs", b"who\twhat\nann\texport\nbob\tlog in\n"),
    ("bars", b"who|what\nann|export\nbob|log in\n"),
    ("CRLF", b"who,what\r\nann,export\r\nbob,log in\r\n"),
    ("line ends of old Macs", b"who,what\rann,export\rbob,log in\r"),
    ("no last line end", b"who,what\nann,export\nbob,log in"),
    ("a byte order mark", b"\xef\xbb\xbfwho,what\nann,export\nbob,log in\n"),
    ("a byte order mark and quotes", b'\xef\xbb\xbf"who","what"\nann,export\nbob,log in\n'),
    ("quotes", b'"who","what"\n"ann","export"\n"bob","log in"\n'),
    ("spaces around", b" who , what \n ann , export \n bob , log in \n"),
    ("empty lines", b"who,what\n\nann,export\n\n\nbob,log in\n\n"),
    ("JSON lines", b'{"who":"ann","what":"export"}\n{"who":"bob","what":"log in"}\n'),
    ("empty lines at first", b"\n\r\nwho,what\nann,export\nbob,log in\n"),
    ("JSON lines after an empty one", b'\n{"who":"ann","what":"export"}\n{"who":"bob","what":"log in"}\n'),
    ("an array", b'[{"who":"ann","what":"export"},{"who":"bob","what":"log in"}]'),
    ("an array, an object a line", b'[{"who":"ann","what":"export"}\r\n,{"who":"bob","what":"log in"}\r\n]\r\n'),
    ("an array of arrays' lines", b'[{"who":"ann","what":"export"}]\n[{"who":"bob","what":"log in"}]\n'),
    ("an array on many lines", b'\xef\xbb\xbf[\n  {\n    "who": "ann",\n    "what": "export"\n  }, {"who": "bob",\n"what": "log in"}\n]\n'),
    ("JSON lines with a mark and CRLF", b'\xef\xbb\xbf{"who":"ann","what":"export"}\r\n\r\n{"who":"bob","what":"log in"}'),
]  # fmt: skip


@pytest.mark.parametrize(("form", "content"), GOOD, ids=[form for form, _ in GOOD])
def test_every_form_is_read_alike_also_packed(tmp_path: Path, form: str, content: bytes) -> None:
    for name, bytes_ in (
        ("plain", content),
        ("packed.gz", gzip.compress(content)),
        ("twice", gzip.compress(gzip.compress(content))),
    ):
        read = file(tmp_path, bytes_, name)
        assert read.columns == ["who", "what"]
        assert [row.values for row in read.rows()] == EXPECTED
        assert [row.number for row in read.rows()] == [1, 2]


def test_columns_may_be_set_apart_by_any_spaces(tmp_path: Path) -> None:
    read = file(tmp_path, " who   what\r\n ann  export\r\n\r\nbob\tlogin\r\n")
    assert read.columns == ["who", "what"]
    assert [row.values for row in read.rows()] == [{"who": "ann", "what": "export"}, {"who": "bob", "what": "login"}]


def test_a_column_in_brackets_begins_no_array(tmp_path: Path) -> None:
    assert [row.values for row in file(tmp_path, "[who],what\nann,x\n").rows()] == [{"[who]": "ann", "what": "x"}]


def test_an_array_goes_on_behind_what_cannot_be_read(tmp_path: Path) -> None:
    long = "x" * LONGEST_ROW
    read = file(
        tmp_path,
        f'[{{"a": 1}}, {{"a": nope}}, 7, {{"a": "{long}"}}, {{"a": "é"}}, {{"a": ["]}}", {{"b": "\\""}}]}}, {{"a"',
    )
    rows = list(read.rows())
    assert [(row.number, row.values) for row in rows] == [
        (1, {"a": 1}), (2, None), (3, None), (4, None), (5, {"a": "é"}), (6, {"a": ["]}", {"b": '"'}]}), (7, None),
    ]  # fmt: skip
    assert [row.reason.split(":")[0] for row in rows if row.values is None] == [
        "It is not JSON", "It is not a JSON object.", f"It has more than {LONGEST_ROW:,} characters.", "It is not JSON",
    ]  # fmt: skip


VALUES = st.recursive(st.none() | st.integers(-9, 9) | st.text('"\\\\[]{},: né', max_size=6), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('"\\\\[]{},', max_size=3), inner, max_size=3), max_leaves=6)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.lists(st.dictionaries(st.text(max_size=3), VALUES, min_size=1, max_size=3), min_size=1, max_size=4), st.integers(1, 9), st.sampled_from([None, 0, 2]))  # fmt: skip
def test_every_array_falls_into_its_elements_wherever_it_is_cut(
    rows: list[dict[str, Any]], size: int, indent: int | None
) -> None:
    text = json.dumps(rows, indent=indent, ensure_ascii=False)
    cut = [text[at : at + size] for at in range(0, len(text), size)]
    assert [json.loads(one) for one, whole in elements(cut, 100_000) if whole] == rows


def test_a_single_column_is_one(tmp_path: Path) -> None:
    assert [row.values for row in file(tmp_path, "who\nann\nbob ann\n").rows()] == [{"who": "ann"}, {"who": "bob ann"}]


def test_a_quoted_value_holds_marks_quotes_and_lines(tmp_path: Path) -> None:
    read = file(tmp_path, 'who,"what, then"\nann,"a ""quoted"", text\r\nof two lines"\nbob,x\n')
    assert read.columns == ["who", "what, then"]
    assert [row.values for row in read.rows()] == [
        {"who": "ann", "what, then": 'a "quoted", text\r\nof two lines'},
        {"who": "bob", "what, then": "x"},
    ]


def test_a_header_may_go_over_two_lines(tmp_path: Path) -> None:
    read = file(tmp_path, '"who\nis it",what\nann,x\n')
    assert read.columns == ["who\nis it", "what"]
    assert [row.values for row in read.rows()] == [{"who\nis it": "ann", "what": "x"}]


BROKEN: list[tuple[str, bytes, str]] = [
    ("nothing", b"", "is empty"),
    ("empty lines only", b"\n \r\n\n", "is empty"),
    ("an empty array", b"[\n]\n", "is empty"),
    ("an array of numbers", b"[1, 2]", "is not an object"),
    ("an array of texts", b'["a", "b"]', "is not"),
    ("an array whose first is not JSON", b"[{nope}]", "The first element of"),
    ("only a mark", b"\xef\xbb\xbf", "is empty"),
    ("nothing, packed", gzip.compress(b""), "is empty"),
    ("a name twice", b"who,what,who\n", "has 'who' twice"),
    ("a name left out", b"who,,what\n", "has an empty name"),
    ("a header that is not UTF-8", "wér,what\n".encode("latin-1"), "its header is not UTF-8 text"),
    ("UTF-16", "who,what\n".encode("utf-16"), "its header is not UTF-8 text"),
    ("a first line that is not JSON", b'{"who": \n', "is not JSON"),
    ("packed and cut off at once", gzip.compress(b"who,what\n" * 99)[:14], "breaks off"),
    ("packed and wrong at once", gzip.compress(b"who,what\n")[:10] + b"\xff" * 20, "breaks off"),
    ("a header without an end of its quote", b'"who,what\n' + b"ann,x\n" * 30_000, "header"),
]


@pytest.mark.parametrize(("what", "content", "sentence"), BROKEN, ids=[what for what, _, _ in BROKEN])
def test_a_file_that_cannot_be_read_is_refused_in_a_sentence(
    tmp_path: Path, what: str, content: bytes, sentence: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        file(tmp_path, content)
    assert sentence in refusal.value.message
    assert "events.csv" in refusal.value.message


def test_a_packed_file_that_breaks_off_says_so_after_its_good_rows(tmp_path: Path) -> None:
    many = b"who,what\n" + b"".join(b"v%d,x%d\n" % (number, number * 7919) for number in range(50_000))
    packed = gzip.compress(many)
    for name, content in (("cut", packed[:-2000]), ("wrong", packed[:-2000] + b"\xff" * 1000 + packed[-1000:])):
        rows: deque[Row] = deque()
        with pytest.raises(Invalid, match=f"{name} breaks off"):
            rows.extend(file(tmp_path, content, name).rows())
        assert len(rows) > 1000


BAD_ROWS: list[tuple[str, str, bytes, str]] = [
    ("too few values", "a,b\n", b"1\n", "It has 1 values; the header has 2."),
    ("too many values", "a,b\n", b"1,2,3\n", "It has 3 values; the header has 2."),
    ("not UTF-8", "a,b\n", "é,2\n".encode("latin-1"), "It is not UTF-8 text."),
    ("not UTF-8 beside a picture", "a,b\n", "😀".encode() + b",\xff\n", "It is not UTF-8 text."),
    ("not UTF-8, by spaces", "a b\n", b"\xff 2\n", "It is not UTF-8 text."),
    ("a very long value", "a,b\n", b"1," + b"x" * 200_000 + b"\n", f"It has more than {LONGEST_ROW:,} characters."),
    ("a long value", "a,b\n", b"1," + b"x" * LONGEST_ROW + b"\n", f"It has more than {LONGEST_ROW:,} characters."),
    ("not JSON", '{"a":1}\n', b"{nope\n", "It is not JSON"),
    ("a list", '{"a":1}\n', b"[1]\n", "It is not a JSON object."),
    ("JSON that is not UTF-8", '{"a":1}\n', b'{"a":"\xff"}\n', "It is not UTF-8 text."),
    ("a number that is none", '{"a":1}\n', b'{"a":NaN}\n', "It is not JSON"),
    ("a long object", '{"a":1}\n', b'{"a":"' + b"x" * LONGEST_ROW + b'"}\n', "It has more than"),
]


@pytest.mark.parametrize(("what", "head", "row", "reason"), BAD_ROWS, ids=[one[0] for one in BAD_ROWS])
def test_a_row_that_cannot_be_read_is_told_with_its_number_and_the_next_is_read(
    tmp_path: Path, what: str, head: str, row: bytes, reason: str
) -> None:
    good = b'{"a":2}\n' if head.startswith("{") else b"1 2\n" if " " in head else b"1,2\n"
    rows = list(file(tmp_path, head.encode() + row + good).rows())
    bad = next(one for one in rows if one.values is None)
    assert bad.reason.startswith(reason)
    assert bad.text
    bad.text.encode()  # can be written to the file of rejected rows
    assert rows[-1].values
    assert [one.number for one in rows] == list(range(1, len(rows) + 1))


def test_a_quote_that_never_ends_costs_rows_but_not_the_file(tmp_path: Path) -> None:
    read = file(tmp_path, "a,b\n1,2\n" + '1,"2\n' + "1,2\n" * 60_000)
    reasons = refused(read)
    assert reasons[0][0] == 2
    assert next(read.rows()).values == {"a": "1", "b": "2"}


def test_progress_tells_the_bytes_of_the_file(tmp_path: Path) -> None:
    seen: list[int] = []
    read = file(tmp_path, gzip.compress(b"who\n" + b"ann\n" * 50_000))
    assert sum(1 for _ in read.rows(seen.append)) == 50_000
    assert seen == sorted(seen)
    assert seen[-1] == read.path.stat().st_size


def test_calls_of_the_tracking_api_are_recognised(tmp_path: Path) -> None:
    assert file(tmp_path, '{"type":"track","userId":"a","event":"x"}').segment
    assert file(tmp_path, '{"type":"track","anonymousId":"a","event":"x"}').segment
    assert not file(tmp_path, '{"type":"track","user":"a"}').segment
    assert not file(tmp_path, "type,userId\ntrack,a\n").segment


def test_the_ids_of_rows_are_made_of_content_and_equal_rows_are_told_apart() -> None:
    first, again = MessageIds(), MessageIds()
    rows: list[dict[str, Any]] = [{"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 1, "b": 3}, {"a": 1, "b": 2}]
    ids = [first.of(row) for row in rows]
    assert len(set(ids)) == 4
    assert ids == [again.of(row) for row in rows]


def test_the_digest_is_of_the_bytes(tmp_path: Path) -> None:
    plain, packed = file(tmp_path, b"a\n1\n", "x.csv"), file(tmp_path, gzip.compress(b"a\n1\n"), "x.gz")
    assert plain.digest() == file(tmp_path, b"a\n1\n", "y.csv").digest() != packed.digest()


def test_hours_without_an_event_in_a_zip_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("1.gz", gzip.compress(b""))
        archive.writestr("2.gz", gzip.compress(b'{"a":1}\n'))
        archive.writestr("3.json", b"[]")
        archive.writestr("4.json", b'\n{"a":2}\n')
    read = File(path)
    assert read.columns == ["a"]
    assert [(row.number, row.values, row.part) for row in read.rows()] == [
        (1, {"a": 1}, "2.gz"),
        (2, {"a": 2}, "4.json"),
    ]


def test_a_zip_without_any_row_is_empty(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        archive.writestr("1.gz", gzip.compress(b""))
    with pytest.raises(EmptyFile, match=r"export\.zip is empty"):
        File(tmp_path / "export.zip")


def test_a_zip_inside_of_a_zip_is_said(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "inner.zip", "w") as archive:
        archive.writestr("1.json", b'{"a":1}')
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as archive:
        archive.write(tmp_path / "inner.zip", "2020/inner.zip")
    with pytest.raises(Invalid, match=r"2020/inner\.zip is a zip inside of a zip; unpack the outer one"):
        File(tmp_path / "outer.zip")


def test_numbers_of_parquet_that_are_none_are_nothing(tmp_path: Path) -> None:
    import pyarrow as arrow
    from pyarrow import parquet

    table = arrow.table({"user_id": [12345.0, float("nan"), float("inf")], "who": ["a", "b", "c"]})
    parquet.write_table(table, tmp_path / "events.parquet")
    (tmp_path / "events").write_bytes(gzip.compress((tmp_path / "events.parquet").read_bytes()))
    with zipfile.ZipFile(tmp_path / "events.zip", "w") as archive:
        archive.write(tmp_path / "events.parquet", "a")
    plain = [row.values for row in File(tmp_path / "events.parquet").rows()]
    for packed in ("events", "events.zip"):
        assert [row.values for row in File(tmp_path / packed).rows()] == plain
    assert plain == [
        {"user_id": 12345.0, "who": "a"}, {"user_id": None, "who": "b"}, {"user_id": None, "who": "c"},
    ]  # fmt: skip
