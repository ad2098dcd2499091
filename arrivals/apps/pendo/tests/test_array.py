"""An array of objects that comes in pieces of any size is read as the standard library reads it whole."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrivals.apps.pendo.array import MOST, NotAnArray, Objects

SIZES = (1, 2, 3, 7, 100_000)
TEXT = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('"\\{}[],:'), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


def read(text: bytes, size: int) -> list[Any]:
    objects, found = Objects(), list[bytes]()
    for start in range(0, len(text), size):
        found += objects.feed(text[start : start + size])
    objects.close()
    return [json.loads(one) for one in found]


@given(st.lists(st.dictionaries(TEXT, VALUES, max_size=4), max_size=5), st.sampled_from(SIZES), st.booleans())
def test_whatever_the_objects_hold_and_wherever_it_is_cut(rows: list[Any], size: int, spaced: bool) -> None:
    text = json.dumps(rows, indent=2 if spaced else None, ensure_ascii=spaced)
    assert read(f" {text}\n".encode(), size) == rows


@pytest.mark.parametrize("size", SIZES)
def test_null_is_an_empty_array(size: int) -> None:
    assert read(b" null \n", size) == []


BAD = [
    b"", b" ", b"nul", b"nullx", b"null null", b"[", b'[{"a":1}', b'[{"a":1},{"a":', b'[{"a":"x}]', b'[{"a":[1}]', b"[{]}]", b"[}",
    b'{"a":1}', b"<html>", b"oops", b"[1,2]", b"[1]", b'["a"]', b"[null]", b"[[]]", b'[{"a":NaN}]', b'[{"a":"\xff"}]',
    b'[{"a":1},]', b"[,{}]", b"[{}{}]", b"[{},,{}]", b"[{}]]", b'[{"a":1}] x', b"\xef\xbb\xbf[]", b"[" * 3000,
]  # fmt: skip


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("text", BAD, ids=lambda text: repr(text[:20]))
def test_anything_else_is_refused(text: bytes, size: int) -> None:
    with pytest.raises(NotAnArray):
        read(text, size)


@pytest.mark.parametrize("inner", [b"[", b'{"a":', b'"' + b"x", b'"' + b'\\"'])
def test_one_object_cannot_fill_the_memory(inner: bytes) -> None:
    text = b'[{"a":' + inner * ((MOST + 200_000) // len(inner))
    with pytest.raises(NotAnArray, match="more than"):
        read(text, 65_536)
