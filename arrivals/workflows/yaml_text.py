"""YAML as we read and write it: the values of JSON and nothing else, without the surprises of YAML 1.1.

Read: ``on``, ``no`` and ``yes`` are texts, and so are dates, ``09:00`` and ``007``; only ``true``, ``false``, ``null`` (or nothing)
and plain numbers are not. Keys are texts. Aliases, tags and repeated keys are refused. Written: whatever another reader could
take for something else stands in quotation marks.
"""

import re
from typing import Any

import yaml

from arrivals.errors import InvalidDefinition, TooLarge

MOST = 500_000  # characters of all files together
NULL = re.compile(r"~|null|Null|NULL|")
BOOL = re.compile(r"true|false")
INT = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
FLOAT = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]{1,3})?")
BREAKS = re.compile("[\r\x85\u2028\u2029]")  # of lines, for YAML: not what they were in other styles
TAG = "tag:yaml.org,2002:"


class _Loader(yaml.SafeLoader):
    """Reads only what the module says."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "aliases (*name) are not allowed", self.get_mark())
        return super().compose_node(parent, index)

    def plain(self, node: Any) -> str:
        return self.construct_scalar(node)

    def mapping(self, node: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key must be a text", key.start_mark)
            if key.value in found:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value!r:.60} is there twice", key.start_mark)
            found[key.value] = self.construct_object(value, deep=True)
        return found

    def sequence(self, node: Any) -> list[Any]:
        return [self.construct_object(one, deep=True) for one in node.value]

    def refuse(self, node: Any) -> None:
        raise yaml.constructor.ConstructorError(None, None, f"the tag {node.tag!r:.60} is not allowed", node.start_mark)


_Loader.yaml_implicit_resolvers = {}  # none of those of YAML 1.1
_Loader.yaml_constructors = {}
_SCALARS: tuple[tuple[str, re.Pattern[str], Any], ...] = (
    ("null", NULL, yaml.SafeLoader.construct_yaml_null),
    ("bool", BOOL, yaml.SafeLoader.construct_yaml_bool),
    ("int", INT, yaml.SafeLoader.construct_yaml_int),
    ("float", FLOAT, yaml.SafeLoader.construct_yaml_float),
)
for _name, _pattern, _construct in _SCALARS:
    _Loader.add_implicit_resolver(TAG + _name, re.compile(rf"^(?:{_pattern.pattern})$"), None)
    _Loader.add_constructor(TAG + _name, _construct)
_Loader.add_constructor(f"{TAG}str", _Loader.plain)
_Loader.add_constructor(f"{TAG}map", _Loader.mapping)
_Loader.add_constructor(f"{TAG}seq", _Loader.sequence)
_Loader.add_constructor(None, _Loader.refuse)


class _Dumper(yaml.SafeDumper):
    """Writes lists set in, long texts as blocks, and nothing twice by reference."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:
        return super().increase_indent(flow, False)

    def text(self, data: str) -> Any:
        ours = any(pattern.fullmatch(data) for pattern in (NULL, BOOL, INT, FLOAT))
        style = '"' if BREAKS.search(data) else "'" if ours else "|" if "\n" in data else None
        return self.represent_scalar(f"{TAG}str", data, style=style)


_Dumper.add_representer(str, _Dumper.text)


def read(text: str, name: str = "") -> list[Any]:
    """The documents of a text, empty ones left out. ``name``: of the file, for what is refused.

    Raises:
        InvalidDefinition: it is not such YAML; with the line. TooLarge.
    """
    if len(text) > MOST:
        raise TooLarge(f"{name or 'It'} is longer than {MOST:,} characters.")
    loader = _Loader(text) if not (unreadable := _unreadable(text)) else None
    if loader is None:
        raise InvalidDefinition(f"It holds {unreadable}, which no YAML may hold.", path=name)
    try:
        found = []
        while loader.check_node():
            found.append(loader.construct_document(loader.get_node()))
    except yaml.MarkedYAMLError as error:
        where = f" (line {error.problem_mark.line + 1})" if error.problem_mark else ""
        raise InvalidDefinition(f"It is not YAML as we read it: {error.problem}{where}.", path=name) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidDefinition(f"It is not YAML as we read it: {str(error)[:200]}.", path=name) from error
    finally:
        loader.dispose()
    return [one for one in found if one is not None]


def write(documents: list[Any]) -> str:
    """Documents as text, each after a line of ``---`` but the first."""
    return "---\n".join(
        yaml.dump(one, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120) for one in documents
    )


def _unreadable(text: str) -> str:
    """The first character that YAML does not allow, as it is written in Python; empty when there is none."""
    found = yaml.reader.Reader.NON_PRINTABLE.search(text)
    return repr(found.group()) if found else ""
