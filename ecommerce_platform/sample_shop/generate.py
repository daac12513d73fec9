"""Writes the sample shop: landing files, the order versions of the speed layer, and a report of both.

What belongs here: the one public function and its order of work. What does not: any of the work.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ecommerce_platform.contracts.reader import CONTRACTS_DIR, SUFFIX
from ecommerce_platform.sample_shop.landing.landing_files import Progress, landing_tables, write_tables
from ecommerce_platform.sample_shop.landing.shop import Shop, open_shop
from ecommerce_platform.sample_shop.plan import SHOP_TABLES, DirtPlan, FaultPlan, ShopPlan
from ecommerce_platform.sample_shop.report import SampleReport
from ecommerce_platform.sample_shop.speed.speed_layer import SpeedLayer, realtime_tables, speed_layer
from ecommerce_platform.sample_shop.storage import MANIFEST, Store, clear
from ecommerce_platform.settings import S3Settings

#: Hidden by its first letter, so that nobody takes it for order versions.
FAULTS_FILE = "_planted_faults.json"
_FORMER_FAULTS_FILE = "planted_faults.json"


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
    clean_realtime_dir: Path | None = None,
    s3: S3Settings | None = None,
    overwrite: bool = False,
    before_replacing: Callable[[], None] = lambda: None,
    progress: Progress | None = None,
) -> SampleReport:
    """Writes a seeded shop's change events and returns what they contain; the same arguments give the same bytes.

    `landing` is a folder or an `s3://bucket/prefix` (options in `s3`); its files are `<table>/date=…/*.parquet`.
    `realtime_dir` gets the order versions of the speed layer as Parquet, typed, with the faults listed in
    `_planted_faults.json`; `clean_realtime_dir` gets the same without faults; None writes no such thing. `orders_before`
    is the number of orders older than the first day, by default two days' worth. An earlier sample in the folders is
    replaced, or kept when it is the same; `before_replacing` is called before a whole one goes, and may raise.

    Raises SampleError for parameters that make no shop, and for folders with Parquet files of another origin unless
    `overwrite` (which deletes those in the tables' folders).
    """
    before = 2 * orders_per_day if orders_before is None else orders_before
    plan = ShopPlan(seed, start, days, orders_per_day, users, products, before)
    dirt_plan = dirt if isinstance(dirt, DirtPlan) else DirtPlan() if dirt else DirtPlan.none()
    fault_plan = faults if isinstance(faults, FaultPlan) else FaultPlan() if faults else FaultPlan.none()
    origin = _origin(plan, dirt_plan, fault_plan)
    targets = [_Target(_LANDING, Store.open(landing, s3), SHOP_TABLES)]
    targets += [_Target(_SPEED, Store.open(realtime_dir), ("",))] if realtime_dir is not None else []
    targets += (
        [_Target(_HEALTHY_SPEED, Store.open(clean_realtime_dir), ("",))] if clean_realtime_dir is not None else []
    )
    for folder in filter(None, (realtime_dir, clean_realtime_dir)):
        # As a release before called it: in the way of whoever reads all files of the folder.
        if (folder / _FORMER_FAULTS_FILE).exists():
            (folder / _FORMER_FAULTS_FILE).rename(folder / FAULTS_FILE)
    kept = _kept(targets, origin)
    if kept is not None:
        return kept.as_kept()
    if not overwrite and any("origin" in (target.store.manifest() or {}) for target in targets):
        before_replacing()
    for target in targets:
        clear(target.store, target.folders, overwrite)
    shop = open_shop(plan, dirt_plan)
    return _write(shop, speed_layer(shop, fault_plan), targets, origin, progress)


_LANDING, _SPEED, _HEALTHY_SPEED = "landing files", "speed layer", "speed layer without faults"


@dataclass(frozen=True)
class _Target:
    """A folder that the sample is written to, what it gets, and which of its subfolders are the sample's."""

    content: str
    store: Store
    folders: tuple[str, ...]


def _write(
    shop: Shop, layer: SpeedLayer, targets: list[_Target], origin: str, progress: Progress | None
) -> SampleReport:
    """Writes every target, with its manifest before the first file and the whole one after the last."""
    contents = {
        _LANDING: landing_tables(shop),
        _SPEED: realtime_tables(layer.versions),
        _HEALTHY_SPEED: realtime_tables(layer.healthy),
    }
    sizes = {}
    for target in targets:
        tables = contents[target.content]
        _write_manifest(target.store, {"files": dict.fromkeys(tables)})
        sizes[target.content] = write_tables(target.store, tables, target.content, progress)
    report = SampleReport(
        rows=shop.rows(),
        unreadable=shop.unreadable(),
        dirt=shop.dirt,
        faults=layer.faults,
        effects=layer.effects,
        files=len(sizes[_LANDING]),
        bytes=sum(sizes[_LANDING].values()),
        realtime_rows=len(layer.versions),
    )
    for target in targets:
        if target.content == _SPEED:
            listed = json.dumps([fault.as_json() for fault in layer.faults], indent=2)
            target.store.write_bytes(FAULTS_FILE, listed.encode())
        whole = {"origin": origin, "files": sizes[target.content], "report": report.as_json()}
        _write_manifest(target.store, whole)
    return report


def _origin(plan: ShopPlan, dirt: DirtPlan, faults: FaultPlan) -> str:
    """What a sample is made of, in short: equal for equal samples."""
    parts = {"made_by": _makers(), "plan": asdict(plan), "dirt": asdict(dirt), "faults": asdict(faults)}
    return sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


@cache
def _makers() -> str:
    """Everything besides the parameters that decides the bytes: this package, the contracts, the libraries' versions."""
    digest = sha256(f"numpy {np.__version__}, pyarrow {pa.__version__}".encode())
    for path in sorted(
        [*Path(__file__).parent.rglob("*.py"), *(CONTRACTS_DIR / f"{table}{SUFFIX}" for table in SHOP_TABLES)]
    ):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _kept(targets: list[_Target], origin: str) -> SampleReport | None:
    """The report of the sample that is already in all the folders, whole and with this origin; else None."""
    manifests = [target.store.manifest() or {} for target in targets]
    for target, manifest in zip(targets, manifests, strict=True):
        files = manifest.get("files")
        if manifest.get("origin") != origin or not isinstance(files, dict):
            return None
        existing = target.store.files(target.folders)
        if {name: size for name, size in existing.items() if name.endswith(".parquet")} != files:
            return None
    content: Any = manifests[0]["report"]
    return SampleReport.from_json(content)


def _write_manifest(store: Store, content: Mapping[str, object]) -> None:
    store.write_bytes(MANIFEST, json.dumps(content, indent=1).encode())
