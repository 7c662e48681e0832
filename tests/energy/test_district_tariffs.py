"""Every tariff that a district's meters and connection name stands in the data."""

from datetime import date

from energy.district import load_district
from energy.tariffs import load_tariff


def test_the_tariffs_of_all_meters_and_of_the_connection_exist() -> None:
    district = load_district("sejong-5-1@0.01")
    for name in {*district.meters.tariff, district.connection.tariff}:
        assert load_tariff(name, date(2026, 7, 15)).name == name
