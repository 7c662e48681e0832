"""Small, documented inputs that travel with the packages; sources in data/README.md."""

from pathlib import Path


def path(*parts: str) -> Path:
    """Absolute path of a file or folder in data/."""
    return Path(__file__).parent.joinpath(*parts)
