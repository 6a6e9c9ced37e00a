"""Contract files to resolved versions, or to all their problems at once."""

from __future__ import annotations

import re
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path as FilePath
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from avoir.contracts.located_yaml import Node, Position, decode, parse
from avoir.contracts.mapping import MappingError, keys_of
from avoir.contracts.model import Contract, TermName
from avoir.contracts.problems import Problem, choose_among, in_reading_order, nearest
from avoir.contracts.resolving import SECTIONS, ClaimedKey, Inherited, Path, ResolvedVersion, inherit
from avoir.contracts.rules import (
    BrokenParts,
    Finding,
    KeyHolder,
    clashing_keys,
    judge_file_sections,
    judge_keys,
    judge_versions,
)

SOURCES_FILE = "sources.yml"
_SUFFIXES = (".yml", ".yaml")


@dataclass(frozen=True)
class ContractFile:
    """A contract file as read. It is good when no problem is an error; only then its versions may be used."""

    path: FilePath
    shown: str
    contract_id: str | None
    versions: tuple[ResolvedVersion, ...]
    problems: tuple[Problem, ...]
    tree: Node | None

    @property
    def is_good(self) -> bool:
        """Whether the file may be loaded; warnings do not keep it from that."""
        return not any(problem.is_error for problem in self.problems)

    def refused_for(self, findings: Iterable[Finding]) -> ContractFile:
        """Return the file with more problems."""
        more = [_locate(finding, self.tree, self.shown) for finding in findings]
        return replace(self, problems=tuple(in_reading_order([*self.problems, *more])))


def contract_paths(root: FilePath) -> list[FilePath]:
    """Return the contract files under a contracts root: every YAML file but the list of sources and hidden
    ones.
    """
    return sorted(
        path
        for path in root.rglob("*")
        if path.suffix in _SUFFIXES
        and path.is_file()
        and path.name != SOURCES_FILE
        and not any(part.startswith(".") for part in path.relative_to(root).parts)
    )


def read_contracts(root: FilePath, paths: Sequence[FilePath] | None = None) -> list[ContractFile]:
    """Read the contract files of a root (all, or those given) and judge them alone and together."""
    chosen = contract_paths(root) if paths is None else list(paths)
    return judge_together([read_contract(path, root) for path in chosen])


def judge_together(
    files: Sequence[ContractFile], held: Mapping[tuple[str, str, str], Sequence[KeyHolder]] | None = None
) -> list[ContractFile]:
    """Return the files with the problems that they have with each other, and with keys held elsewhere."""
    findings: dict[str, list[Finding]] = {}
    by_contract: dict[str, list[ContractFile]] = {}
    vendor_names: dict[str, tuple[str, str]] = {}
    for file in files:
        if file.contract_id is not None:
            by_contract.setdefault(file.contract_id, []).append(file)
        for version in file.versions[:1]:
            vendor = version.contract.vendor
            name, first = vendor_names.setdefault(vendor.id, (vendor.name, file.shown))
            if name != vendor.name:
                message = f"the vendor {vendor.id} is named {vendor.name!r} here and {name!r} in {first}"
                finding = Finding(
                    ("vendor", "name"), message, f"write one name in all files, for example {name}"
                )
                findings.setdefault(file.shown, []).append(finding)
    for contract_id, same in by_contract.items():
        for file in same if len(same) > 1 else ():
            others = ", ".join(other.shown for other in same if other is not file)
            message = f"the contract {contract_id} is also in {others}"
            mend = "keep one file per contract; an amendment is a new version in the same file"
            findings.setdefault(file.shown, []).append(Finding(("contract",), message, mend))
    apart = {f.shown: f.versions for f in files if len(by_contract.get(f.contract_id or "", ())) == 1}
    for shown, finding in clashing_keys(apart, held or {}):
        findings.setdefault(shown, []).append(finding)
    return [file.refused_for(findings.get(file.shown, ())) for file in files]


def read_contract(path: FilePath, root: FilePath) -> ContractFile:
    """Read one contract file; ``root`` is the contracts root, where mapping files are looked for."""
    shown = str(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        message = f"the file cannot be read: {error.strerror or error}"
        problem = Problem(shown, 1, 1, None, message, "correct the path, or let this user read the file")
        return ContractFile(path, shown, None, (), (problem,), None)
    text, problems = decode(content, shown)
    tree: Node | None = None
    if text is not None:
        tree, more = parse(text, shown)
        problems += more
    if tree is None:
        return ContractFile(path, shown, None, (), tuple(in_reading_order(problems)), None)
    if not isinstance(tree.value, dict):
        problem = Problem(shown, 1, 1, None, "this is no contract", "start with `contract: <its id>`")
        return ContractFile(path, shown, None, (), (problem,), tree)
    problems = [replace(problem, clause=_clause_of_line(problem, tree)) for problem in problems]
    contract, broken, invalid = _validated(tree, shown)
    told = {(problem.line, problem.column) for problem in problems}
    problems += [problem for problem in invalid if (problem.line, problem.column) not in told]
    id_node = tree.value.get("contract")
    contract_id = id_node.value if id_node is not None and isinstance(id_node.value, str) else None
    versions: tuple[ResolvedVersion, ...] = ()
    if contract is not None:
        versions, findings = _resolved(contract, broken, root)
        problems += [_locate(finding, tree, shown) for finding in findings]
    return ContractFile(path, shown, contract_id, versions, tuple(in_reading_order(problems)), tree)


def _resolved(
    contract: Contract, broken: BrokenParts, root: FilePath
) -> tuple[tuple[ResolvedVersion, ...], list[Finding]]:
    inherited = inherit(contract)
    findings = list(judge_versions(contract, inherited, broken))
    versions: list[ResolvedVersion] = []
    unread = broken
    for stage in inherited:
        keys, unmapped, more = _expand_keys(stage, root)
        findings += more
        version = ResolvedVersion(
            contract=contract,
            version_no=stage.version.version,
            valid_from=stage.version.effective_from,
            valid_to=stage.valid_to,
            document_sha256=stage.version.document_sha256,
            calendars=stage.calendars,
            services=stage.services,
            clauses=stage.clauses,
            keys=keys,
            paths=stage.paths,
            terms=stage.terms,
        )
        findings += judge_keys(version, broken | unmapped)
        unread |= unmapped
        versions.append(version)
    findings += judge_file_sections(contract, inherited, versions, unread)
    return tuple(versions), findings


def _expand_keys(
    stage: Inherited, root: FilePath
) -> tuple[dict[str, tuple[ClaimedKey, ...]], BrokenParts, list[Finding]]:
    expanded: dict[str, tuple[ClaimedKey, ...]] = {}
    unmapped: set[tuple[str, str]] = set()
    findings: list[Finding] = []
    for service_id, service in stage.services.items():
        at = stage.paths["services", service_id]
        keys = [ClaimedKey(key, (*at, "keys", position)) for position, key in enumerate(service.keys)]
        for position, keys_from in enumerate(service.keys_from):
            path: Path = (*at, "keys_from", position)
            try:
                keys += [
                    ClaimedKey(m.key, path, f"{keys_from.file}:{m.line}") for m in keys_of(keys_from, root)
                ]
            except MappingError as error:
                unmapped.add(("mapping", service_id))
                findings.append(Finding(path, str(error), error.mend))
        expanded[service_id] = tuple(keys)
    return expanded, frozenset(unmapped), findings


# --- From the typed model's errors to problems ------------------------------------------------------------


def _validated(tree: Node, shown: str) -> tuple[Contract | None, BrokenParts, list[Problem]]:
    """Return the contract, without the parts that are wrong in themselves, so that the rest is judged."""
    data: Any = tree.plain()
    try:
        return Contract.model_validate(data), frozenset(), []
    except ValidationError as error:
        errors = error.errors(include_url=False)
    # A list is also "too short" when its only item is wrong, which is told already.
    deeper = {detail["loc"][:depth] for detail in errors for depth in range(len(detail["loc"]))}
    errors = [detail for detail in errors if detail["type"] != "too_short" or detail["loc"] not in deeper]
    problems = [_problem_of(detail, tree, shown) for detail in errors]
    wrong = {_removable(detail["loc"]) for detail in errors}
    if None in wrong:
        return None, frozenset(), problems
    # From the end, so that the positions of what is still to go stay true.
    removed = sorted((path for path in wrong if path is not None), key=_by_place, reverse=True)
    broken = frozenset(_broken_part(path, _taken_out(data, path)) for path in removed)
    try:
        contract = Contract.model_validate(data)
    except ValidationError:
        return None, frozenset(), problems
    # The typed lists are shorter now: take the wrong parts out of the tree as well, so that positions agree.
    for path in removed:
        holder = tree.descend(path[:-1])[0].value
        if isinstance(holder, list) and isinstance(path[-1], int):
            del holder[path[-1]]
    return contract, broken, problems


def _removable(loc: Sequence[int | str]) -> Path | None:
    """Return the smallest part around a mistake without which the rest can still be judged."""
    match tuple(loc):
        case ("versions", int(number), str(section), int(position), *_) if section in SECTIONS:
            return ("versions", number, section, position)
        case ("versions", int(number), str(term), *_) if term in set(TermName):
            return ("versions", number, term)
        case ("tests" | "exclusion_decisions" as section, int(position), *_):
            return (section, position)
        case ("index_values", str(index), *_) if index != "[key]":
            return ("index_values", index)
        case ("tests" | "exclusion_decisions" | "index_values" as section, *_):
            return (section,)
    return None


def _by_place(path: Path) -> tuple[tuple[int, str], ...]:
    return tuple((part, "") if isinstance(part, int) else (-1, part) for part in path)


def _taken_out(data: Any, path: Path) -> object:
    for part in path[:-1]:
        data = data[part]
    return data.pop(path[-1], None) if isinstance(data, dict) else data.pop(path[-1])


def _broken_part(path: Path, part: object) -> tuple[str, str]:
    match path:
        case ("versions", _, str(section), int()):
            return section, str(part.get("id") if isinstance(part, dict) else None)
        case ("versions", _, str(term)):
            return "terms", term
        case (str(section), *rest):
            return section, str(rest[0]) if rest else ""
    return "", ""


def _locate(finding: Finding, tree: Node | None, shown: str) -> Problem:
    position = tree.descend(finding.path)[1] if tree else Position(1, 1)
    clause = _clause_at(finding.path, tree) if tree else None
    return Problem(
        shown, position.line, position.column, clause, finding.message, finding.mend, finding.severity
    )


def _clause_at(path: Sequence[str | int], tree: Node) -> str | None:
    """Return the clause in which a place lies, or of which it speaks."""
    match tuple(path):
        case ("versions", int(), "clauses", int(), *_):
            part, word = path[:4], "id"
        case ("versions", int(), "caps" | "termination_rights", int(), *_):
            part, word = path[:4], "clause"
        case ("tests", int(), "expect", int(), *_):
            part, word = path[:4], "clause"
        case _:
            return None
    node = tree.descend(tuple(part))[0]
    if isinstance(node.value, dict) and word in node.value:
        return node.value[word].raw or None
    return None


def _clause_of_line(problem: Problem, tree: Node) -> str | None:
    """Return the clause in which a problem of the YAML text lies."""
    starts: list[tuple[Position, tuple[str | int, ...]]] = []

    def walk(node: Node, path: tuple[str | int, ...]) -> None:
        starts.append((node.position, path))
        children = node.value.items() if isinstance(node.value, dict) else ()
        items = enumerate(node.value) if isinstance(node.value, list) else ()
        for key, child in children:
            walk(child, (*path, str(key)))
        for number, child in items:
            walk(child, (*path, number))

    walk(tree, ())
    here = (problem.line, problem.column)
    before = [path for position, path in starts if (position.line, position.column) <= here]
    return _clause_at(before[-1], tree) if before else None


def _problem_of(detail: ErrorDetails, tree: Node, shown: str) -> Problem:
    loc = _written_path(detail["loc"])
    kind, context = detail["type"], detail.get("ctx", {})
    words = (str(part) for part in reversed(loc) if not isinstance(part, int))
    name = _DATE_KEY.sub(_as_written, next(words, "the contract"))[:_SHOWN_CHARACTERS]
    place: tuple[str | int | date, ...] = loc
    node = tree.descend(loc)[0]
    written = node.raw[:_SHOWN_CHARACTERS] if not isinstance(node.value, (dict, list)) else "a block"
    message = mend = ""
    match kind:
        case "refused":
            message, mend = str(context["message"]), str(context["mend"])
        case "missing":
            place = loc[:-1]
            message, mend = f"{name} is missing", f"add `{name}: …`"
        case "extra_forbidden":
            known = sorted(_words_at(detail["loc"][:-1]))
            word = nearest(name, known)
            message = f"{name} is not a word of the format here"
            mend = f"write {word}, or remove it" if word else f"remove it (known here: {', '.join(known)})"
        case "enum" | "literal_error":
            expected = [word.strip().strip("'") for word in _split_expected(str(context["expected"]))]
            message, mend = f"{name} cannot be {written!r}", choose_among(written, expected)
        case "union_tag_invalid":
            place = (*loc, str(context["discriminator"]).strip("'"))
            expected = [word.strip().strip("'") for word in str(context["expected_tags"]).split(",")]
            tag = str(context["tag"])
            message, mend = f"{name} has no kind {tag!r}", choose_among(tag, expected)
        case "union_tag_not_found":
            discriminator = str(context["discriminator"]).strip("'")
            message, mend = f"{name} does not say its {discriminator}", f"add `{discriminator}: …`"
        case "string_type" | "invalid_key" if kind == "invalid_key" or detail["loc"][-1:] == ("[key]",):
            message, mend = (
                f"{name} cannot be a key here",
                "write one of the format's words, or a text in quotes",
            )
        case "string_type" if written and not isinstance(node.value, (dict, list)) and node.value is not None:
            message, mend = (
                f"{name} must be text, but {written} is read as a number or a date",
                f'write "{written}"',
            )
        case "string_pattern_mismatch":
            message, mend = (
                f"{name} cannot be {written!r}",
                _PATTERN_MENDS.get(str(context["pattern"]), "")
                or ("use letters, digits, '.', '_' and '-' only, starting with a letter or digit"),
            )
        case "model_type" | "dict_type" | "model_attributes_type":
            message, mend = (
                f"{name} must be a block of words and values",
                f"write `{name}:` with its parts below it",
            )
        case "tuple_type":
            message, mend = (
                f"{name} must be a list",
                "write it in brackets, or each item on a line with a dash",
            )
        case "too_short":
            message, mend = f"{name} is an empty list", "add at least one item"
        case "too_long":
            message = f"{name} has more than {context.get('max_length')} items"
            mend = "join items that lie close together"
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal":
            (limit,) = context.values()
            message, mend = f"{name} is {written}", f"write a number {_COMPARISONS[kind]} {limit}"
        case "string_too_long" | "string_too_short":
            message = f"{name} has {len(node.raw)} characters"
            limit = context.get("max_length", context.get("min_length"))
            mend = f"write at {'most' if kind == 'string_too_long' else 'least'} {limit}"
        case "decimal_max_digits":
            message, mend = f"{name} has too many digits", f"write at most {context['max_digits']} digits"
        case "int_type" | "int_from_float" | "bool_type" | "date_type" | "is_instance_of":
            noun = {"int": "a whole number", "bool": "true or false", "date": "a date", "is": "a number"}
            wanted = noun[kind.split("_")[0]]
            message, mend = f"{name} must be {wanted}, not {written!r}", f"write {wanted}"
        case _:
            message, mend = f"{name}: {detail['msg']}", "write it as the format's schema says"
    position = tree.descend(place)[1]
    if detail["loc"][-1:] == ("[key]",) and isinstance(loc[-1], str):
        position = tree.descend(loc[:-1])[0].keys.get(loc[-1], position)
    return Problem(shown, position.line, position.column, _clause_at(loc, tree), message, mend)


_SHOWN_CHARACTERS = 80
_DATE_KEY = re.compile(r"datetime\.date\(([0-9]+), ([0-9]+), ([0-9]+)\)")
_PATTERN_MENDS = {
    r"^[0-9a-f]{64}$": "write the 64 hexadecimal digits that sha256sum prints for the signed document",
    r"^[RACI](/[RACI])*$": "write R, A, C or I, or several of them as R/A",
    r"^[a-z][a-z0-9_]{0,62}$": "write the source's name: small letters, digits and '_', a letter first",
}
_COMPARISONS = {
    "greater_than": "above",
    "greater_than_equal": "of at least",
    "less_than": "below",
    "less_than_equal": "of at most",
}


def _as_written(key: re.Match[str]) -> str:
    year, month, day = map(int, key.groups())
    return f"{year:04d}-{month:02d}-{day:02d}"


def _split_expected(expected: str) -> list[str]:
    return expected.replace(" or ", ", ").split(", ")


def _words_at(loc: Sequence[int | str]) -> set[str]:
    """Return the words that the format knows at a place, following the model's annotations."""
    annotation: Any = Contract
    for part in loc:
        annotation = _inside(_bare(annotation), part)
    return {
        field.alias or name for model in _models_in(annotation) for name, field in model.model_fields.items()
    }


def _written_path(loc: Sequence[int | str]) -> tuple[int | str, ...]:
    """Return the path of a mistake in the file: without the names of union members and the marks of keys."""
    annotation: Any = Contract
    path: list[int | str] = []
    for part in loc:
        annotation = _bare(annotation)
        if part != "[key]" and not (_is_union(annotation) and _member(annotation, part) is not None):
            path.append(part)
        annotation = _inside(annotation, part)
    return tuple(path)


def _inside(annotation: Any, part: int | str) -> Any:
    """Return the annotation of what stands at one step of a mistake's path."""
    if _is_union(annotation):
        return _member(annotation, part)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        words = {field.alias or name: field.annotation for name, field in annotation.model_fields.items()}
        return words.get(str(part))
    if get_origin(annotation) in (tuple, dict):
        arguments = get_args(annotation)
        return arguments[0] if get_origin(annotation) is tuple else arguments[1]
    return None


def _bare(annotation: Any) -> Any:
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    members = [m for m in get_args(annotation) if m is not type(None)] if _is_union(annotation) else []
    return _bare(members[0]) if len(members) == 1 else annotation


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, types.UnionType)


def _member(union: Any, tag: int | str) -> Any:
    for model in _models_in(union):
        for discriminator in ("kind", "formula"):
            field = model.model_fields.get(discriminator)
            if field is not None and tag in get_args(field.annotation):
                return model
    return None


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    annotation = _bare(annotation)
    if _is_union(annotation):
        for member in get_args(annotation):
            yield from _models_in(member)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
