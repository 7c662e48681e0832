"""Problems and plans as JSON documents and back, number for number; docs/plan.md is the schema.

A document has the fields of `PlanProblem` or `Plan` by name, and `format`, which says what it is.
Arrays are nested lists. A number without bound is "inf", for JSON has no other word; in a plan null
stands for a figure that is not known. Batteries, fleets, units and heat are left out of a problem
that has none, and so may be whatever has a default. Fields are taken from the dataclasses, so that
a new one is carried as it comes.
"""

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from optimizer.errors import OptimizerError
from optimizer.plan import Plan
from optimizer.problem import Batteries, Finding, PlanProblem, no_fleets
from optimizer.validate import check_problem

PROBLEM_FORMAT = "microgrid-problem/1"
PLAN_FORMAT = "microgrid-plan/1"
PARTS = ("batteries", "fleets", "units", "heat")
"""Fields of a problem that are left out where nothing of the kind exists."""

UNBOUNDED = {"inf": np.inf, "-inf": -np.inf}
WHOLE_MAX = 2**63 - 1
DEPTH_MAX = 32
STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')
SHOWN_MAX = 40  # characters of a wrong value that are shown

Document = dict[str, Any]
Part = TypeVar("Part")


class DocumentError(OptimizerError):
    """A document that cannot be read; `findings` name everything that is wrong with it."""

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__("; ".join(str(finding) for finding in findings))
        self.findings = tuple(findings)


def problem_document(problem: PlanProblem) -> Document:
    """A problem as a document; parts that it has not are left out."""
    parts = _plain(problem)
    absent = [name for name in PARTS if _is_absent(getattr(problem, name))]
    return {
        "format": PROBLEM_FORMAT,
        **{name: part for name, part in parts.items() if name not in absent},
    }


def plan_document(plan: Plan) -> Document:
    """A plan with its certificate and reasons as a document."""
    return {"format": PLAN_FORMAT, **_plain(plan)}


def parse_problem(text: str | bytes) -> PlanProblem:
    """The problem of a JSON text; raises DocumentError with every finding.

    Keys and kinds of value are told first, for shapes and numbers cannot be compared before they
    are right; then whatever `check_problem` finds.
    """
    document, reader = _begin(text, PROBLEM_FORMAT), _Reader(unknown_figures=False)
    absent = [name for name in PARTS if document.get(name) is None]
    for name in absent:
        document[name] = None
    problem = reader.read_part(PlanProblem, document, "", absent)
    if problem is None:
        raise DocumentError(reader.findings)
    findings = check_problem(problem)
    if findings:
        raise DocumentError(findings)
    return problem


def parse_plan(text: str | bytes) -> Plan:
    """The plan of a JSON text; raises DocumentError with every finding."""
    reader = _Reader(unknown_figures=True)
    plan = reader.read_part(Plan, _begin(text, PLAN_FORMAT), "")
    if plan is None:
        raise DocumentError(reader.findings)
    findings = list(_odd_lengths(plan))
    if findings:
        raise DocumentError(findings)
    return plan


def format_document(document: Document) -> str:
    """JSON text for people too: an object's keys line by line, rows of numbers on one line."""
    return "\n".join(_lines(document)) + "\n"


def _lines(value: object, indent: str = "", lead: str = "", tail: str = "") -> Iterator[str]:
    deeper = indent + " "
    if isinstance(value, dict) and value:
        yield f"{indent}{lead}{{"
        for at, (key, each) in enumerate(value.items(), 1):
            comma = "," if at < len(value) else ""
            yield from _lines(each, deeper, f"{json.dumps(key, ensure_ascii=False)}: ", comma)
        yield f"{indent}}}{tail}"
    elif isinstance(value, list) and any(isinstance(each, list | dict) for each in value):
        yield f"{indent}{lead}["
        for at, each in enumerate(value, 1):
            yield from _lines(each, deeper, "", "," if at < len(value) else "")
        yield f"{indent}]{tail}"
    else:
        yield f"{indent}{lead}{json.dumps(value, allow_nan=False, ensure_ascii=False)}{tail}"


def _is_absent(part: object) -> bool:
    """Whether a part of a problem holds nothing."""
    return part is None or part == () or getattr(part, "id", None) == ()


def _nothing(name: str, slots: int) -> object:
    """What stands for a part that a problem has not."""
    if name == "batteries":
        none = np.zeros(0)
        columns = [field.name for field in fields(Batteries) if field.default is MISSING]
        values = {column: none for column in columns} | {"id": (), "area": none.astype(np.int64)}
        return Batteries(**values)  # type: ignore[arg-type]
    return {"fleets": no_fleets(slots), "units": (), "heat": None}[name]


def _plain(value: Any) -> Any:  # noqa: ANN401 - any value of a problem or a plan
    """A value as JSON has it: objects, lists, numbers, words, null."""
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, np.ndarray) and _is_plain(value):
        return value.tolist()
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float) and not np.isfinite(value):
        return None if np.isnan(value) else ("inf" if value > 0 else "-inf")
    return value


def _is_plain(array: np.ndarray[Any, Any]) -> bool:
    """Whether an array's numbers are JSON's own: nearly every one, and asking each is slow."""
    return array.dtype.kind in "iub" or (array.dtype.kind == "f" and bool(np.isfinite(array).all()))


def _begin(text: str | bytes, wanted: str) -> Document:
    """The object of a JSON text of the wanted format, without its `format`."""
    twice: list[Finding] = []

    def pairs(items: list[tuple[str, Any]]) -> Document:
        seen: set[str] = set()
        for name, _ in items:
            if name in seen:
                twice.append(_finding(name, "stands twice in one object"))
            seen.add(name)
        return dict(items)

    if (depth := _depth(text)) > DEPTH_MAX:
        raise DocumentError([_finding("the text", f"nested {depth} deep, allowed: {DEPTH_MAX}")])
    try:
        document = json.loads(text, object_pairs_hook=pairs)
    except ValueError as error:
        raise DocumentError([_finding("the text", f"not JSON: {error}")]) from error
    if twice:
        raise DocumentError(twice)
    if not isinstance(document, dict):
        raise DocumentError([_wrong("the text", document, "an object")])
    if document.get("format") != wanted:
        raise DocumentError([_wrong("format", document.get("format"), json.dumps(wanted))])
    del document["format"]
    return document


def _depth(text: str | bytes) -> int:
    """How deep lists and objects are nested; a reader that recurses could not bear any depth."""
    raw = text.encode(errors="replace") if isinstance(text, str) else text
    signs = np.frombuffer(STRING.sub(b"", raw), dtype=np.uint8)
    opened = np.isin(signs, list(b"[{")).astype(np.int64)
    closed = np.isin(signs, list(b"]}")).astype(np.int64)
    return int(np.cumsum(opened - closed).max(initial=0))


def _finding(where: str, text: str) -> Finding:
    return Finding("document", where, text)


def _wrong(where: str, found: object, allowed: str) -> Finding:
    shown = json.dumps(found, ensure_ascii=False)
    if len(shown) > SHOWN_MAX:
        shown = f"{shown[:SHOWN_MAX]}…"
    return _finding(where, f"{shown}, allowed: {allowed}")


def _odd_lengths(plan: Plan) -> Iterator[Finding]:
    """Series of a plan that have not one row for each slot."""
    for field in fields(plan):
        series = getattr(plan, field.name)
        if isinstance(series, np.ndarray) and len(series) != plan.slots:
            text = f"{len(series)} slots, allowed: {plan.slots} as in p_import_kw"
            yield _finding(field.name, text)


@cache
def _kinds(part: Any) -> dict[str, Any]:  # noqa: ANN401 - a dataclass
    """Names and types of a dataclass's fields."""
    hints = get_type_hints(part)
    return {field.name: hints[field.name] for field in fields(part)}


def _optional(kind: Any) -> Any:  # noqa: ANN401 - a type
    """The type that may also be None, or None for a type that may not."""
    if get_origin(kind) not in (Union, UnionType):
        return None
    rest = [each for each in get_args(kind) if each is not NoneType]
    assert len(rest) == 1, f"{kind}: documents know one type or null"
    return rest[0]


class _Reader:
    """Values of a document by their types; what is wrong with them is gathered in `findings`."""

    def __init__(self, *, unknown_figures: bool) -> None:
        self.findings: list[Finding] = []
        self._unknown_figures = unknown_figures

    def read_part(
        self, part: type[Part], found: object, where: str, absent: list[str] | None = None
    ) -> Part | None:
        """A dataclass from an object, or None with findings."""
        if not isinstance(found, dict):
            self.findings.append(_wrong(where, found, "an object"))
            return None
        before, kinds = len(self.findings), _kinds(part)  # type: ignore[arg-type]
        self._check_keys(part, found, where)
        values = {
            name: self.read(kind, found[name], _under(where, name))
            for name, kind in kinds.items()
            if name in found and name not in (absent or ())
        }
        if len(self.findings) > before:
            return None
        nothing = {name: _nothing(name, len(values["load_kw"])) for name in absent or ()}
        return part(**values, **nothing)

    def _check_keys(self, part: type, found: Document, where: str) -> None:
        for name in [name for name in found if name not in _kinds(part)]:
            near = difflib.get_close_matches(name, _kinds(part), 1)
            allowed = f"did you mean {near[0]}?" if near else f"allowed: {', '.join(_kinds(part))}"
            self.findings.append(_finding(_under(where, name), f"unknown, {allowed}"))
        for field in fields(part):
            has_default = field.default is not MISSING or field.default_factory is not MISSING
            if field.name not in found and not has_default:
                self.findings.append(_finding(_under(where, field.name), "missing"))

    def read(self, kind: Any, found: Any, where: str) -> Any:  # noqa: ANN401 - any type
        """A value of the type that is asked for; None with a finding where it is not one."""
        within = _optional(kind)
        if within is not None:
            return None if found is None else self.read(within, found, where)
        origin = get_origin(kind)
        if isinstance(kind, type) and is_dataclass(kind):
            return self.read_part(kind, found, where)
        if origin is np.ndarray:
            return self._array(get_args(get_args(kind)[1])[0], found, where)
        if origin is tuple:
            return self._tuple(get_args(kind), found, where)
        if origin is dict:
            return self._mapping(get_args(kind)[1], found, where)
        try:
            return self._single(kind, found)
        except ValueError as error:
            self.findings.append(_wrong(where, found, str(error)))
            return None

    def _tuple(self, kinds: tuple[Any, ...], found: object, where: str) -> tuple[Any, ...] | None:
        if not isinstance(found, list):
            self.findings.append(_wrong(where, found, "a list"))
            return None
        if kinds[-1] is not Ellipsis and len(found) != len(kinds):
            self.findings.append(_wrong(where, found, f"a list of {len(kinds)}"))
            return None
        each = kinds[:1] * len(found) if kinds[-1] is Ellipsis else kinds
        return tuple(
            self.read(kind, value, f"{where}[{at}]")
            for at, (kind, value) in enumerate(zip(each, found, strict=True))
        )

    def _mapping(self, kind: Any, found: object, where: str) -> dict[str, Any] | None:  # noqa: ANN401
        if not isinstance(found, dict):
            self.findings.append(_wrong(where, found, "an object"))
            return None
        return {name: self.read(kind, value, _under(where, name)) for name, value in found.items()}

    def _array(self, dtype: type[np.generic], found: object, where: str) -> np.ndarray | None:
        """An array of nested lists, all rows of one length; one finding where it is none."""
        if not isinstance(found, list):
            self.findings.append(_wrong(where, found, "a list"))
            return None
        kind = {np.float64: float, np.int64: int, np.bool_: bool}[dtype]
        wrong: list[Finding] = []
        nested = self._nested(kind, found, (where, ()), wrong)
        if wrong:
            more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
            self.findings.append(_finding(wrong[0].where, wrong[0].text + more))
            return None
        if _shape(nested) is None:
            self.findings.append(_finding(where, "rows of different lengths, allowed: one length"))
            return None
        return np.array(nested, dtype=dtype)

    def _nested(
        self, kind: type, found: list[Any], place: tuple[str, tuple[int, ...]], wrong: list[Finding]
    ) -> list[Any]:
        where, index = place
        values: list[Any] = []
        for at, each in enumerate(found):
            if isinstance(each, list):
                values.append(self._nested(kind, each, (where, (*index, at)), wrong))
                continue
            try:
                values.append(self._single(kind, each))
            except ValueError as error:
                spot = ", ".join(str(number) for number in (*index, at))
                wrong.append(_wrong(f"{where}[{spot}]", each, str(error)))
        return values

    def _single(self, kind: type, found: Any) -> Any:  # noqa: ANN401 - whatever JSON has
        """A number, a word, true or false; raises ValueError with what is allowed."""
        if kind is float:
            return self._figure(found)
        if kind is int:
            if type(found) is not int or abs(found) > WHOLE_MAX:
                raise ValueError("a whole number")
            return found
        if issubclass(kind, Enum):
            words = [each.value for each in kind]
            if found not in words:
                raise ValueError(f"one of {', '.join(words)}")
            return kind(found)
        if type(found) is not kind:
            raise ValueError({str: "a text", bool: "true or false"}[kind])
        return found

    def _figure(self, found: object) -> float:
        if found is None and self._unknown_figures:
            return float("nan")
        if isinstance(found, str) and found in UNBOUNDED:
            return UNBOUNDED[found]
        if type(found) not in (int, float):
            raise ValueError("a number")
        try:
            figure = float(found)  # type: ignore[arg-type]
        except OverflowError:
            figure = np.inf
        if not np.isfinite(figure):
            raise ValueError('a number, or "inf" for one without bound')
        return figure


def _under(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _shape(nested: list[Any]) -> tuple[int, ...] | None:
    """Lengths of nested lists; None where they differ."""
    shapes = {_shape(each) if isinstance(each, list) else () for each in nested}
    if len(shapes) > 1 or None in shapes:
        return None
    rest = shapes.pop() if shapes else ()
    return None if rest is None else (len(nested), *rest)
