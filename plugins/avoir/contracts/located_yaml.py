"""YAML text to plain values that know where they were written.

Only the part of YAML 1.2 that a contract needs is read: one document of mappings, lists and scalars. Tags,
anchors, aliases, directives, duplicate keys, infinities, exponents and very deep or very long files are
refused, so
a hostile file costs no more than an honest one. Numbers with a fraction become :class:`~decimal.Decimal`: a
contract's numbers never pass through a binary float.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from avoir.contracts.problems import Problem

MAX_BYTES = 512 * 1024
MAX_DEPTH = 24
MAX_NODES = 25_000
MAX_DIGITS = 40

Key = str | date
Scalar = str | int | bool | Decimal | date | None

_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_NULL = re.compile(r"~|null|Null|NULL|")
_BOOLEAN = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)")
_EXPONENT = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)[eE][-+]?[0-9]+")
_NOT_A_NUMBER = re.compile(r"([-+]?\.(inf|Inf|INF))|(\.(nan|NaN|NAN))")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a file; both count from 1."""

    line: int
    column: int


START = Position(1, 1)


@dataclass(slots=True)
class Node:
    """A value and where it starts. Mappings also know where each of their keys starts."""

    position: Position
    value: Scalar | list[Node] | dict[Key, Node]
    raw: str = ""
    keys: dict[Key, Position] = field(default_factory=dict)

    def plain(self) -> object:
        """Return the value without positions, as the typed model takes it."""
        if isinstance(self.value, dict):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, list):
            return [child.plain() for child in self.value]
        return self.value

    def descend(self, path: tuple[str | int | date, ...]) -> tuple[Node, Position]:
        """Return the deepest node on ``path`` and the position to show for it.

        The position is that of the value, or of its key when the value is a block of its own. Parts of the
        path that are not in the file (names of union members) are passed over.
        """
        node, position = self, self.position
        for part in path:
            if isinstance(node.value, dict) and not isinstance(part, int) and part in node.value:
                position = node.keys[part]
                node = node.value[part]
                if not isinstance(node.value, (dict, list)):
                    position = node.position
            elif isinstance(node.value, list) and isinstance(part, int) and part < len(node.value):
                node = node.value[part]
                position = node.position
        return node, position


def decode(content: bytes, file: str) -> tuple[str | None, list[Problem]]:
    """Return the text of a file's bytes, or the problem that stops it from being text."""
    if len(content) > MAX_BYTES:
        size = f"the file has {len(content)} bytes, more than the {MAX_BYTES} a contract may have"
        return None, [Problem(file, 1, 1, None, size, "split the contract, or move long annexes out of it")]
    try:
        return content.decode("utf-8-sig"), []
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line = before.count(b"\n") + 1
        column = len(before) - (before.rfind(b"\n") + 1) + 1
        message = f"the byte 0x{content[error.start]:02x} is not UTF-8"
        return None, [Problem(file, line, column, None, message, "save the file with the encoding UTF-8")]


def parse(text: str, file: str) -> tuple[Node | None, list[Problem]]:
    """Return the tree of a YAML text, and all problems on the way; no tree when it cannot be trusted."""
    builder = _Builder(file)
    try:
        builder.build(text)
    except _StoppedError:
        return None, builder.problems
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        position = Position(mark.line + 1, mark.column + 1) if mark else START
        message = "this is not YAML: " + " ".join(
            str(part) for part in (error.context, error.problem) if part
        ).replace("\n", " ")
        builder.report(position, message, "check the indentation, the quotes and the brackets at this place")
        return None, builder.problems
    except YAMLError as error:
        at = getattr(error, "position", 0)
        before = text[:at] if isinstance(at, int) else ""
        position = Position(before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
        builder.report(
            position, "this character may not stand in a YAML file", "remove the control character"
        )
        return None, builder.problems
    if builder.root is None:
        builder.report(START, "the file is empty", "write the contract, starting with `contract: <its id>`")
    return builder.root, builder.problems


class _StoppedError(Exception):
    """The rest of the file is not worth reading; the reason is among the problems."""


class _Builder:
    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.root: Node | None = None
        self._nodes = 0

    def report(self, position: Position, message: str, mend: str) -> None:
        self.problems.append(Problem(self.file, position.line, position.column, None, message, mend))

    def stop(self, position: Position, message: str, mend: str) -> _StoppedError:
        self.report(position, message, mend)
        return _StoppedError()

    def build(self, text: str) -> None:
        open_nodes: list[Node] = []
        waiting_keys: list[tuple[Key | None, Position] | None] = []
        for event, position in self._events(text):
            if isinstance(event, (MappingEndEvent, SequenceEndEvent)):
                open_nodes.pop()
                waiting_keys.pop()
                continue
            node = self._node(event, position)
            inside = open_nodes[-1] if open_nodes else None
            if inside is None:
                self.root = node
            elif isinstance(inside.value, list):
                inside.value.append(node)
            elif isinstance(inside.value, dict):
                waiting = waiting_keys[-1]
                if waiting is None:
                    waiting_keys[-1] = (self._key(node), position)
                else:
                    waiting_keys[-1] = None
                    self._put(inside, waiting, node)
            if isinstance(node.value, (dict, list)):
                open_nodes.append(node)
                waiting_keys.append(None)
                if len(open_nodes) > MAX_DEPTH:
                    raise self.stop(
                        position,
                        f"more than {MAX_DEPTH} brackets or indents deep",
                        "a contract has at most 9 levels",
                    )

    def _events(self, text: str) -> Iterator[tuple[object, Position]]:
        documents = 0
        for event in YAML(typ="safe", pure=True).parse(text):
            mark = event.start_mark
            position = Position(mark.line + 1, mark.column + 1) if mark else START
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self.stop(position, "a second document starts here", "write one contract per file")
                if event.version or event.tags:
                    raise self.stop(position, "a YAML directive", "remove the line that starts with %")
            elif isinstance(event, AliasEvent) or getattr(event, "anchor", None):
                sign = "an alias (*)" if isinstance(event, AliasEvent) else "an anchor (&)"
                mend = "write the values out: every term of a contract stands where it applies"
                raise self.stop(position, sign, mend)
            elif getattr(event, "ctag", None) is not None:
                raise self.stop(
                    position, f"the tag {event.ctag}", "remove the tag; quote the value if it is text"
                )
            elif isinstance(event, (ScalarEvent, MappingStartEvent, SequenceStartEvent)):
                self._nodes += 1
                if self._nodes > MAX_NODES:
                    raise self.stop(
                        position, f"more than {MAX_NODES} values in one file", "move keys to a mapping file"
                    )
                yield event, position
            elif isinstance(event, (MappingEndEvent, SequenceEndEvent)):
                yield event, position

    def _node(self, event: object, position: Position) -> Node:
        if isinstance(event, MappingStartEvent):
            return Node(position, {})
        if isinstance(event, SequenceStartEvent):
            return Node(position, [])
        assert isinstance(event, ScalarEvent)  # the caller passes these three only
        plain = event.implicit[0]
        if _UNPRINTABLE.search(event.value):
            self.report(
                position,
                "a text holds control characters",
                "remove them; a line break is the only one allowed",
            )
            return Node(position, "", raw="")
        value = self._scalar(event.value, position) if plain else event.value
        return Node(position, value, raw=event.value)

    def _scalar(self, raw: str, position: Position) -> Scalar:
        if _NULL.fullmatch(raw):
            return None
        if raw in _BOOLEAN:
            return _BOOLEAN[raw]
        if _INTEGER.fullmatch(raw) or _DECIMAL.fullmatch(raw):
            if len(raw) > MAX_DIGITS:
                self.report(
                    position, f"a number of {len(raw)} characters", "write the number as the contract does"
                )
                return 0
            return int(raw) if _INTEGER.fullmatch(raw) else Decimal(raw)
        if _EXPONENT.fullmatch(raw):
            self.report(
                position, f"{raw[:MAX_DIGITS]} is written with an exponent", "write the number in full"
            )
            return 0
        if _NOT_A_NUMBER.fullmatch(raw):
            self.report(
                position, f"{raw} is not a number one can owe", "write the number as the contract does"
            )
            return 0
        if _DATE.fullmatch(raw):
            try:
                return date.fromisoformat(raw)
            except ValueError:
                return raw
        return raw

    def _key(self, node: Node) -> Key | None:
        if isinstance(node.value, (str, date)):
            return node.value
        message = (
            f"{node.raw!r} cannot be a key"
            if not isinstance(node.value, (dict, list))
            else "a key must be a word"
        )
        self.report(
            node.position, message, "write one of the format's words as the key, in quotes if it is a number"
        )
        return None

    def _put(self, mapping: Node, waiting: tuple[Key | None, Position], node: Node) -> None:
        key, position = waiting
        if key is None:
            return
        assert isinstance(mapping.value, dict)  # the caller's branch
        if key in mapping.value:
            first = mapping.keys[key].line
            self.report(
                position, f"the key {key} stands twice; the first is on line {first}", "keep one of the two"
            )
            return
        mapping.value[key] = node
        mapping.keys[key] = position
