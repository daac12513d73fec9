"""Whatever asks whether an address is on S3 gets one answer, in each spelling of S3's scheme."""

from __future__ import annotations

from pathlib import Path

import pyarrow.fs as pafs
import pytest

from ecommerce_platform.iceberg.warehouse_files import _store
from ecommerce_platform.landing.files import LandingZone
from ecommerce_platform.reconciliation.present.publish import Place
from ecommerce_platform.sample_shop.storage import Store
from ecommerce_platform.settings import S3Settings, Settings
from ecommerce_platform.settings.addresses import is_s3, store_path
from ecommerce_platform.settings.rules import problems_of_places, problems_of_production
from ecommerce_platform.spark.launchers.handover.scratch import Scratch

SCHEMES = ("s3", "s3a", "s3n")
S3 = S3Settings(region="eu-central-1")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_each_spelling_is_the_same_store_and_path_for_everyone(scheme: str) -> None:
    address = f"{scheme}://bucket/below"
    assert is_s3(address)
    assert store_path(address) == "bucket/below"
    assert isinstance(LandingZone(address, S3).filesystem(), pafs.S3FileSystem)
    store, path, prefix = _store(S3, address)
    assert (type(store), path, prefix) == (pafs.S3FileSystem, "bucket/below", f"{scheme}://")
    shop = Store.open(address, S3)
    assert (type(shop.filesystem), shop.root) == (pafs.S3FileSystem, "bucket/below")
    place = Place.of(address, S3)
    assert (type(place.files), place.base) == (pafs.S3FileSystem, "bucket/below")
    scratch = Scratch(address, S3)
    assert (type(scratch._files), scratch._root) == (pafs.S3FileSystem, "bucket/below")


@pytest.mark.parametrize("address", ["/s3/bucket", "s3", "s3/bucket", "file:///s3/bucket", "gs://bucket/key", "", None])
def test_other_addresses_are_not_on_s3(address: str | None) -> None:
    assert not is_s3(address)
    assert store_path(address or "") == (address or "")


@pytest.mark.parametrize("landing", SCHEMES)
@pytest.mark.parametrize("scratch", SCHEMES)
def test_scratch_is_a_place_of_its_own_in_whichever_spelling(scratch: str, landing: str, tmp_path: Path) -> None:
    beside = Settings(data_dir=tmp_path).model_copy(
        update={"landing_uri": f"{landing}://one/in", "scratch_uri": f"{scratch}://one/out"}
    )
    inside = beside.model_copy(update={"scratch_uri": f"{scratch}://one/in/scratch/"})
    assert not list(problems_of_places(beside))
    assert any("one lies in the other" in problem for problem in problems_of_places(inside))
    assert any("expected a bucket of its own" in problem for problem in problems_of_production(beside))
