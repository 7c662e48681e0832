"""Money and energy are whole numbers: nothing in `market/` makes a float, not even in passing."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import market

HERE = Path(str(market.__file__)).parent
SOURCES = sorted(HERE.rglob("*.py"))
# Exact: both sides are `Fraction`.
EXACT_DIVISIONS = {"(out - into) / slope", "room / slope"}
FLOATING = {"double", "half", "mean", "average", "divide", "true_divide", "sqrt"}
# Fine as a field's name, a float as a function's.
OF_FLOATS = {"floor", "ceil", "rint", "round", "fmod"}
MODULES = {"np", "numpy", "math"}


def makes_float(node: ast.Attribute) -> bool:
    """Whether an attribute is a type or a function of floats."""
    owner = node.value.id if isinstance(node.value, ast.Name) else ""
    of_module = owner in MODULES and node.attr in OF_FLOATS
    return of_module or node.attr in FLOATING or node.attr.startswith("float")


def floats_of(tree: ast.AST) -> Iterator[str]:
    """What in a source makes a float: literals, true division, names of types and functions."""
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            yield f"{line}: literal {node.value}"
        elif isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            if ast.unparse(node) not in EXACT_DIVISIONS:
                yield f"{line}: division {ast.unparse(node)}"
        elif isinstance(node, ast.Name) and node.id == "float":
            yield f"{line}: float"
        elif isinstance(node, ast.Attribute) and makes_float(node):
            yield f"{line}: .{node.attr}"
        elif isinstance(node, ast.Constant) and node.value in ("float64", "f8", "<f8", "float"):
            yield f"{line}: type {node.value}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_a_file_of_the_market_makes_no_float(path: Path) -> None:
    assert list(floats_of(ast.parse(path.read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize(
    "text",
    [
        "x = 0.5",
        "x = a / b",
        "x /= 2",
        "x = float(a)",
        "x = np.float64(a)",
        "x = a.mean()",
        "x = np.floor(a)",
    ],
)
def test_every_way_to_a_float_is_seen(text: str) -> None:
    assert len(list(floats_of(ast.parse(text)))) >= 1
