"""What a device hears of the readings that it has brought."""

from typing import Annotated

from pydantic import Field

from energy.api.shapes.words import Shape


class ReadingsTaken(Shape):
    """A batch that is kept as a whole; `changed` of its readings say something new."""

    readings: Annotated[int, Field(ge=1, examples=[2])]
    changed: Annotated[int, Field(ge=0, examples=[2])]
