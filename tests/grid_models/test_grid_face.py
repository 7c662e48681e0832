"""The library's face: its example runs as printed, and what it names is there."""

import doctest

import grid_models


def test_the_example_of_the_library_prints_what_it_says() -> None:
    result = doctest.testmod(grid_models)
    assert result.attempted >= 4 and result.failed == 0


def test_the_face_is_sorted_and_complete() -> None:
    assert list(grid_models.__all__) == sorted(set(grid_models.__all__), key=_order)
    assert all(hasattr(grid_models, name) for name in grid_models.__all__)


def _order(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions, as the linter sorts them."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)
