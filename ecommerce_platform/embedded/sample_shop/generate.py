"""Writes the sample shop: landing files, the order versions of the speed layer, and a report of both.

What belongs here: the one public function and its order of work. What does not: any of the work.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

from ecommerce_platform.contracts import SOURCE_TABLES
from ecommerce_platform.embedded.sample_shop.landing_files import Progress, landing_tables, write_tables
from ecommerce_platform.embedded.sample_shop.plan import DirtPlan, FaultPlan, ShopPlan
from ecommerce_platform.embedded.sample_shop.report import PlantedFault, SampleReport
from ecommerce_platform.embedded.sample_shop.shop import open_shop
from ecommerce_platform.embedded.sample_shop.speed_layer import healthy_versions, realtime_tables
from ecommerce_platform.embedded.sample_shop.storage import MANIFEST, Store, clear
from ecommerce_platform.settings import S3Settings

FAULTS_FILE = "planted_faults.json"
#: Raised when the same parameters give other files: a sample of an earlier version is then written anew.
_VERSION = 1


def generate_sample(
    landing: str | Path,
    realtime_dir: Path | None,
    *,
    seed: int = ShopPlan.seed,
    start: date = ShopPlan.start,
    days: int = ShopPlan.days,
    orders_per_day: int = ShopPlan.orders_per_day,
    users: int = ShopPlan.users,
    products: int = ShopPlan.products,
    orders_before: int | None = None,
    dirt: bool | DirtPlan = True,
    faults: bool | FaultPlan = True,
    s3: S3Settings | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> SampleReport:
    """Writes a seeded shop's change events and returns what they contain; the same arguments give the same bytes.

    `landing` is a folder or an `s3://bucket/prefix` (options in `s3`); its files are `<table>/date=…/*.parquet`.
    `realtime_dir` gets the order versions of the speed layer as Parquet, typed, with the faults listed in
    `planted_faults.json`; None writes no such thing. `orders_before` is the number of orders older than the first day,
    by default two days' worth. An earlier sample in the folders is replaced, or kept when it is the same.

    Raises SampleError for parameters that make no shop, and for folders with Parquet files of another origin unless
    `overwrite` (which deletes those in the tables' folders).
    """
    before = 2 * orders_per_day if orders_before is None else orders_before
    plan = ShopPlan(seed, start, days, orders_per_day, users, products, before)
    dirt_plan = dirt if isinstance(dirt, DirtPlan) else DirtPlan() if dirt else DirtPlan.none()
    fault_plan = faults if isinstance(faults, FaultPlan) else FaultPlan() if faults else FaultPlan.none()
    origin = _origin(plan, dirt_plan, fault_plan)
    stores: list[tuple[Store, tuple[str, ...]]] = [(Store.open(landing, s3), SOURCE_TABLES)]
    if realtime_dir is not None:
        stores.append((Store.open(realtime_dir), ("",)))
    kept = _kept([store for store, _ in stores], origin)
    if kept is not None:
        return kept.as_kept()
    for store, folders in stores:
        clear(store, folders, overwrite)
    shop = open_shop(plan, dirt_plan)
    versions = healthy_versions(shop.events["orders"])
    planted: tuple[PlantedFault, ...] = ()
    contents = [landing_tables(shop), realtime_tables(versions)][: len(stores)]
    sizes = []
    for (store, _), tables, step in zip(stores, contents, ("landing files", "speed layer"), strict=False):
        _write_manifest(store, {"files": dict.fromkeys(tables)})
        sizes.append(write_tables(store, tables, step, progress))
    report = SampleReport(
        rows=shop.rows(),
        unreadable=shop.unreadable(),
        dirt=shop.dirt,
        faults=planted,
        effects=(),
        files=len(sizes[0]),
        bytes=sum(sizes[0].values()),
        realtime_rows=len(versions),
    )
    if realtime_dir is not None:
        listed = json.dumps([fault.as_json() for fault in planted], indent=2)
        stores[1][0].write_bytes(FAULTS_FILE, listed.encode())
    for (store, _), files in zip(stores, sizes, strict=True):
        _write_manifest(store, {"origin": origin, "files": files, "report": report.as_json()})
    return report


def _origin(plan: ShopPlan, dirt: DirtPlan, faults: FaultPlan) -> str:
    """What a sample is made of, in short: equal for equal samples."""
    parts = {"version": _VERSION, "plan": asdict(plan), "dirt": asdict(dirt), "faults": asdict(faults)}
    return sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def _kept(stores: list[Store], origin: str) -> SampleReport | None:
    """The report of the sample that is already in all the folders, whole and with this origin; else None."""
    manifests = [store.manifest() or {} for store in stores]
    for store, manifest in zip(stores, manifests, strict=True):
        files = manifest.get("files")
        if manifest.get("origin") != origin or not isinstance(files, dict):
            return None
        there = store.files(SOURCE_TABLES if store is stores[0] else ("",))
        if {name: size for name, size in there.items() if name.endswith(".parquet")} != files:
            return None
    content: Any = manifests[0]["report"]
    return SampleReport.from_json(content)


def _write_manifest(store: Store, content: Mapping[str, object]) -> None:
    store.write_bytes(MANIFEST, json.dumps(content, indent=1).encode())
