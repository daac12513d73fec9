"""Leases: one holder at a time, a bounded wait that names the holder, and a holder that lost its lease records nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from snowflake.connector import SnowflakeConnection

from ecommerce_platform.settings import Settings
from ecommerce_platform.warehouse.schema.lease import (
    MODELS,
    Lease,
    LeaseBusy,
    LeaseLost,
    is_dead,
    lease_state,
    leased,
    require_held,
    this_process,
)
from ecommerce_platform.warehouse.sql.connection import Opener, execute, fetch_all, transaction

ELSEWHERE = "another-boot pid:[1] 4711 99"


@pytest.fixture
def free(connection: SnowflakeConnection) -> SnowflakeConnection:
    """A connection to a warehouse whose lease nobody holds."""
    execute(connection, "update RAW.LEASES set owner = null, token = null, process = null, expires_at = null")
    return connection


def take(connection: SnowflakeConnection, opener: Opener, owner: str, wait: float = 0, seconds: float = 60):  # type: ignore[no-untyped-def]
    return leased(connection, opener, MODELS, owner, wait_seconds=wait, lease_seconds=seconds)


def hold_elsewhere(connection: SnowflakeConnection, seconds: int) -> None:
    """A holder on another machine, whose lease ends in so many seconds."""
    execute(
        connection,
        "update RAW.LEASES set owner = 'run elsewhere', token = 'theirs', process = %s, generation = 7, "
        "acquired_at = sysdate(), expires_at = dateadd('second', %s, sysdate()) where name = 'models'",
        (ELSEWHERE, seconds),
    )


def record(connection: SnowflakeConnection, lease: Lease) -> None:
    with transaction(connection):
        require_held(connection, lease)
        execute(connection, "insert into RAW.RECORDED select 'done'")


def test_the_second_waits_for_the_first_and_then_has_its_turn(free: SnowflakeConnection, opener: Opener) -> None:
    with opener() as other, take(free, opener, "first") as first:
        with pytest.raises(LeaseBusy, match=r"'models' is held by first since \d{4}.* UTC .*second waited 0 s"):
            take(other, opener, "second").__enter__()
        assert lease_state(free, MODELS).token == first.token
    generation = lease_state(free, MODELS).generation
    with opener() as other, take(other, opener, "second"):
        assert lease_state(free, MODELS).owner == "second"
        assert lease_state(free, MODELS).generation == generation + 1
    assert lease_state(free, MODELS).is_free


def test_of_many_at_once_one_holds_it_at_any_time(free: SnowflakeConnection, opener: Opener) -> None:
    inside, most, turns = [], [], []

    def work(number: int) -> None:
        with opener() as mine, take(mine, opener, f"worker {number}", wait=120):
            inside.append(number)
            most.append(len(inside))
            fetch_all(mine, "select count(*) from RAW.LEASES")
            inside.remove(number)
            turns.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(turns) == [0, 1, 2, 3, 4]
    assert most == [1] * 5


def test_a_lease_held_elsewhere_passes_on_when_it_expires_and_not_before(
    free: SnowflakeConnection, opener: Opener
) -> None:
    hold_elsewhere(free, seconds=600)
    with pytest.raises(LeaseBusy, match="held by run elsewhere"):
        take(free, opener, "late").__enter__()
    hold_elsewhere(free, seconds=-1)
    with take(free, opener, "late"):
        assert lease_state(free, MODELS).owner == "late"


def test_who_lost_the_lease_records_nothing(free: SnowflakeConnection, opener: Opener) -> None:
    execute(free, "create table if not exists RAW.RECORDED (what string)")
    with take(free, opener, "sleeper") as lease:
        record(free, lease)
        hold_elsewhere(free, seconds=600)
        with pytest.raises(LeaseLost, match=r"sleeper held .* lost it; it is held by run elsewhere"):
            record(free, lease)
    assert fetch_all(free, "select count(*) from RAW.RECORDED") == [(1,)]
    assert lease_state(free, MODELS).token == "theirs", "giving back must not take it from the new holder"
    execute(free, "drop table RAW.RECORDED")


def test_a_holder_renews_while_it_works(free: SnowflakeConnection, opener: Opener) -> None:
    renewed = threading.Event()

    def counting() -> SnowflakeConnection:
        renewed.set()
        return opener()  # type: ignore[return-value]

    with leased(free, counting, MODELS, "worker", wait_seconds=0, lease_seconds=2) as lease:
        first = lease_state(free, MODELS).expires_at
        assert renewed.wait(20)
        state = lease_state(free, MODELS)
        while state.expires_at == first:
            state = lease_state(free, MODELS)
        assert state.token == lease.token
        assert state.expires_at > first  # type: ignore[operator]


_HOLDER = """
import sys
from ecommerce_platform.settings import load_settings
from ecommerce_platform.warehouse.sql.connection import connect
from ecommerce_platform.warehouse.schema.lease import MODELS, leased
server = {"host": sys.argv[1], "port": int(sys.argv[2]), "protocol": "http", "password": sys.argv[3]}
settings = load_settings(snowflake=server)
opener = lambda: connect(settings)
with opener() as connection, leased(connection, opener, MODELS, "killed", wait_seconds=0, lease_seconds=3600):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_lease_of_a_killed_process_of_this_machine_passes_on_at_once(
    settings: Settings, embedded_only: None, free: SnowflakeConnection, opener: Opener
) -> None:
    from ecommerce_platform.stand_ins.servers import ensure_snowflake

    server = ensure_snowflake(settings.data_dir)
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, server.host, str(server.port), server.password],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(LeaseBusy, match="held by killed"):
        take(free, opener, "next").__enter__()
    os.kill(holder.pid, signal.SIGKILL)
    # Not waited for yet: a zombie does no work either.
    with take(free, opener, "next", wait=20):
        assert lease_state(free, MODELS).owner == "next"
    holder.wait()


def test_a_process_is_dead_when_its_id_belongs_to_another_and_never_when_it_is_elsewhere() -> None:
    here = this_process()
    assert here is not None
    assert not is_dead(here)
    *place, pid, started = here.split(" ")
    assert is_dead(" ".join((*place, pid, str(int(started) + 1))))
    assert is_dead(" ".join((*place, "4194304000", started)))
    assert not is_dead(ELSEWHERE)
    assert not is_dead(None)


def test_without_proc_a_lease_passes_on_by_its_expiry_only(tmp_path: Path) -> None:
    assert this_process(tmp_path) is None
    assert not is_dead(this_process(), tmp_path)
