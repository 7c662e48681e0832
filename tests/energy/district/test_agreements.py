"""What a district says of contracts: read strictly, parties found, left out where nobody is."""

import shutil
from pathlib import Path

import pytest

import data
from energy.district import DistrictError, load_district


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the Sejong district."""
    copy = tmp_path / "copy"
    shutil.copytree(data.path("districts", "sejong-5-1"), copy)
    return copy


def change(folder: Path, old: str, new: str) -> str:
    path = folder / "contracts.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return f"{folder}@0.005"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "sandbox"', 'name = "free"', "field regime.name: found 'free', allowed:"),
        ("bills = []", 'bills = ["gift"]', "field regime.bills.0: found 'gift'"),
        ('kind = "cfd"', 'kind = "swap"', "contract.4.kind: found 'swap'"),
        ("share = 0.3", "share = 1.5", "contract.0.share: found 1.5"),
        ('"118.0"', '"118.0001"', "won with at most three decimals, as a text"),
        ("cap_kwh = 50.0", "cap_mwh = 50.0", "contract.0.cap_kwh"),
        ("[regime]", "[regime", "no valid TOML"),
    ],
)
def test_a_wrong_file_is_one_sentence_that_names_the_field(
    folder: Path, old: str, new: str, said: str
) -> None:
    with pytest.raises(DistrictError) as caught:
        load_district(change(folder, old, new))
    assert said in str(caught.value) and "contracts.toml" in str(caught.value)


def test_a_contract_whose_party_is_not_there_is_left_out(folder: Path) -> None:
    whole = load_district("sejong-5-1@0.005").agreements
    assert {one.kind for one in whole.first} == {1, 2, 3, 4, 5}
    fewer = load_district(change(folder, "{ plant = 1 }", "{ plant = 99 }")).agreements
    assert len(fewer.first) == len(whole.first) - 1


def test_without_the_file_nothing_is_signed_and_no_model_bills(folder: Path) -> None:
    (folder / "contracts.toml").unlink()
    found = load_district(f"{folder}@0.005").agreements
    assert (found.first, found.regime.bills, found.regime.surplus_limit) == ((), (), None)


def test_the_limit_on_surplus_is_in_force_in_a_specialised_area_alone(folder: Path) -> None:
    assert load_district("sejong-5-1@0.005").agreements.regime.surplus_limit is None
    there = load_district(change(folder, 'name = "sandbox"', 'name = "specialised-area"'))
    assert there.agreements.regime.surplus_limit == 300_000
