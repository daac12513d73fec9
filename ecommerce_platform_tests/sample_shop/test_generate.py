"""Writing a sample: the same bytes for the same arguments, nothing of others deleted, whole files only."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ecommerce_platform.sample_shop import SampleError, generate_sample
from ecommerce_platform.sample_shop.landing import landing_files as landing_files_module
from ecommerce_platform_tests.sample_shop.reading import landing_rows

SMALL: dict[str, Any] = {"days": 4, "orders_per_day": 40, "users": 40, "products": 20}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        generate_sample(tmp_path / name / "landing", tmp_path / name / "realtime", **SMALL)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_another_seed_gives_another_shop(tmp_path: Path) -> None:
    for seed in (1, 2):
        generate_sample(tmp_path / str(seed), None, seed=seed, **SMALL)
    ours, theirs = ({row.content for row in landing_rows(tmp_path / str(seed))} for seed in (1, 2))
    assert len(ours & theirs) < len(ours) / 20


def test_other_dates_and_sizes_are_parameters(tmp_path: Path) -> None:
    report = generate_sample(tmp_path, None, start=date(2025, 12, 30), days=3, orders_per_day=20, users=30, products=10)
    assert list(report.rows["orders"]) == [date(2025, 12, 30), date(2025, 12, 31), date(2026, 1, 1)]
    assert sorted(path.name for path in (tmp_path / "orders").iterdir())[0] == "date=2025-12-30"


def test_the_same_sample_is_kept_and_not_written_again(tmp_path: Path) -> None:
    first = generate_sample(tmp_path / "landing", tmp_path / "realtime", **SMALL)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")}
    second = generate_sample(tmp_path / "landing", tmp_path / "realtime", **SMALL)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")} == times
    assert second == first.as_kept()


def test_a_sample_of_which_a_file_is_gone_is_written_again(tmp_path: Path) -> None:
    generate_sample(tmp_path, None, **SMALL)
    before = contents(tmp_path)
    next(tmp_path.rglob("*.parquet")).unlink()
    assert not generate_sample(tmp_path, None, **SMALL).kept
    assert contents(tmp_path) == before


def test_another_sample_replaces_the_one_before_without_leaving_anything_of_it(tmp_path: Path) -> None:
    generate_sample(tmp_path / "used", None, **{**SMALL, "days": 6})
    for name in ("used", "fresh"):
        generate_sample(tmp_path / name, None, **SMALL)
    assert contents(tmp_path / "used") == contents(tmp_path / "fresh")
    assert not (tmp_path / "used" / "orders" / "date=2026-01-06").exists()


def test_a_folder_with_files_of_others_is_refused_and_nothing_of_it_is_touched(tmp_path: Path) -> None:
    foreign = tmp_path / "orders" / "date=2026-01-01" / "part-00000.parquet"
    foreign.parent.mkdir(parents=True)
    foreign.write_bytes(b"theirs")
    with pytest.raises(
        SampleError, match=r"has 1 Parquet files that the sample shop did not write.*part-00000\.parquet"
    ):
        generate_sample(tmp_path, None, **SMALL)
    assert contents(tmp_path) == {"orders/date=2026-01-01/part-00000.parquet": b"theirs"}


def test_overwriting_deletes_the_parquet_of_others_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "orders" / "date=2019-01-01").mkdir(parents=True)
    (tmp_path / "orders" / "date=2019-01-01" / "old.parquet").write_bytes(b"theirs")
    (tmp_path / "notes.txt").write_text("keep me")
    (tmp_path / "orders" / "notes.txt").write_text("keep me")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "other.parquet").write_bytes(b"theirs")
    generate_sample(tmp_path, None, overwrite=True, **SMALL)
    assert not (tmp_path / "orders" / "date=2019-01-01").exists()
    assert (tmp_path / "notes.txt").exists()
    assert (tmp_path / "orders" / "notes.txt").exists()
    assert (tmp_path / "elsewhere" / "other.parquet").exists()


def test_what_a_killed_sample_left_is_cleared_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(Exception):
        pass

    def kill(step: str, done: int, total: int) -> None:
        if done == total // 2:
            raise Killed

    with pytest.raises(Killed):
        generate_sample(tmp_path / "used", None, progress=kill, **{**SMALL, "days": 6})
    assert list((tmp_path / "used").rglob("*.parquet"))
    for name in ("used", "fresh"):
        generate_sample(tmp_path / name, None, **SMALL)
    assert contents(tmp_path / "used") == contents(tmp_path / "fresh")


def test_no_file_has_its_name_before_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    original = landing_files_module.Store.write_bytes

    def watching(store: landing_files_module.Store, name: str, content: bytes) -> int:
        seen.extend(str(path) for path in tmp_path.rglob("*.parquet") if path.read_bytes()[-4:] != b"PAR1")
        return original(store, name, content)

    monkeypatch.setattr(landing_files_module.Store, "write_bytes", watching)
    generate_sample(tmp_path, None, **SMALL)
    assert seen == []
    assert not list(tmp_path.rglob("*.tmp"))


def test_progress_counts_the_files_of_every_step(tmp_path: Path) -> None:
    heard: list[tuple[str, int, int]] = []
    report = generate_sample(
        tmp_path / "landing", tmp_path / "realtime", progress=lambda *step: heard.append(step), **SMALL
    )
    landing = [step for step in heard if step[0] == "landing files"]
    assert landing == [("landing files", done, report.files) for done in range(1, report.files + 1)]
    assert ("speed layer", 1, 1) in heard


def test_the_list_of_what_was_written_is_hidden_beside_the_tables(tmp_path: Path) -> None:
    report = generate_sample(tmp_path, None, **SMALL)
    manifest = json.loads((tmp_path / "_sample_shop.json").read_text())
    assert len(manifest["files"]) == report.files
    assert sum(manifest["files"].values()) == report.bytes


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"days": 0}, "days is 0; expected at least 1"),
        ({"users": 3}, "users is 3; expected at least 10"),
        ({"seed": -1}, "seed is -1; expected zero"),
    ],
)
def test_a_shop_that_cannot_be_is_refused_by_name(tmp_path: Path, wrong: dict[str, int], message: str) -> None:
    with pytest.raises(SampleError, match=message):
        generate_sample(tmp_path / "landing", None, **wrong)
    assert not (tmp_path / "landing").exists()


def test_an_address_of_an_unknown_kind_is_refused_by_name() -> None:
    with pytest.raises(SampleError, match="cannot write to 'gs://bucket/landing'"):
        generate_sample("gs://bucket/landing", None, **SMALL)


@pytest.mark.parametrize("days", [1, 2, 3])
def test_a_short_sample_can_bewrite_sample(tmp_path: Path, days: int) -> None:
    report = generate_sample(tmp_path / "landing", tmp_path / "realtime", **{**SMALL, "days": days})
    assert len(landing_rows(tmp_path / "landing")) == report.total_rows > 0
