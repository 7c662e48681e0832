"""What is thinned out is told as such, with since when the rest is kept."""

from typing import Any

import pytest

from energy.store.retention import thin_out
from energy.store.views import put_view
from energy.timegrid import iso_of

OLD, NEWER = 1_752_000_300, 1_752_001_200


@pytest.mark.invented
def test_a_slot_that_is_thinned_out_says_since_when_slots_are_kept(served: Any) -> None:
    for slot in (OLD, NEWER):
        served.store.write(lambda c, at=slot: put_view(c, "measured", at, {"slot": at}))
    served.store.write(lambda c: thin_out(c, {"documents": NEWER}))
    gone = served.ask(f"/v1/measured?slot={iso_of(OLD)}")
    assert (gone.status, gone.json["code"]) == (404, "NOT_KEPT")
    assert gone.json["allowed"] == f"a slot from {iso_of(NEWER)} on"
    assert "documents are kept 366 days" in gone.json["detail"]
    assert served.ask(f"/v1/measured?slot={iso_of(NEWER)}").status == 200
