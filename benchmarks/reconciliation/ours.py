"""The platform's search and reasons over all orders, in a process of its own: python -m benchmarks.reconciliation.ours FOLDER

What belongs here: one measured call. The last line of the output is JSON: ids that differ, how many have a reason other than
lag, seconds of each part, bytes received.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from pathlib import Path

from benchmarks import bytes_moved
from benchmarks.reconciliation.data import connect_both, settings_of
from ecommerce_platform.reconciliation.layers.both import open_layers
from ecommerce_platform.reconciliation.layers.clickhouse import SpeedTable
from ecommerce_platform.reconciliation.model import Reason
from ecommerce_platform.reconciliation.reconcile import explain_orders
from ecommerce_platform.reconciliation.record.storage import Store
from ecommerce_platform.reconciliation.search.locate import Limits, locate
from ecommerce_platform.settings import ReconciliationSettings


def main(folder: Path) -> None:
    """Find and explain; nothing of a day's scope is left out, so that all contenders compare the same orders."""
    settings = settings_of(folder)
    client, connection = connect_both(settings)
    layers = open_layers(
        SpeedTable.of(client, settings.clickhouse, settings.reconciliation.query_seconds),
        Store(connection),
        settings.reconciliation,
    )
    bytes_moved.install()
    started, cpu = time.perf_counter(), time.process_time()
    limits = settings.reconciliation
    differing = locate(
        layers.speed, layers.batch, None, Limits(limits.max_findings, limits.max_fetched_rows, limits.max_seconds)
    )
    located = time.perf_counter()
    # All that differ are located, as by the other contenders; so many are explained as a reconciliation explains by default.
    keys = sorted(differing.keys)
    figures = {
        "complete": differing.complete,
        "rows_fetched": differing.rows_fetched,
        "rounds": differing.rounds,
    }
    # The platform's own limit is far below; here all keys would be held twice.
    del differing
    first = keys[: ReconciliationSettings().max_findings]
    findings = explain_orders(layers, first, layers.batch.cut_off())
    explained = time.perf_counter()
    reasons = Counter(finding.reason for finding in findings.values())
    answer = {
        "keys": keys,
        "asked": len(first),
        "explained": sum(reasons.values()) - reasons[Reason.LAG],
        "reasons": {reason.value: count for reason, count in reasons.items()},
        "seconds": explained - started,
        "locate_seconds": located - started,
        "explain_seconds": explained - located,
        "cpu_seconds": time.process_time() - cpu,
        "bytes": bytes_moved.received(),
        **figures,
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
