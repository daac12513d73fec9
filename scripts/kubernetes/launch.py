"""Launches the daily batch for a range of days through the webserver's GraphQL, and waits for its end.

    python launch.py http://127.0.0.1:3000 2026-01-01 2026-01-03

What belongs here: the way of a person who presses the button in the UI. Standard library only. Exits with 1 when the run fails.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import urllib.error
import urllib.request
from typing import Any

LOCATION = "ecommerce_platform"
FINAL = ("SUCCESS", "FAILURE", "CANCELED")
LAUNCH = """mutation ($params: ExecutionParams!) { launchRun(executionParams: $params) {
  __typename
  ... on LaunchRunSuccess { run { runId } }
  ... on PythonError { message }
  ... on RunConfigValidationInvalid { errors { message } }
} }"""
STATUS = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
EVENTS = """query ($id: ID!) { logsForRun(runId: $id, limit: 1000) { ... on EventConnection { events {
  __typename ... on MessageEvent { message timestamp stepKey level }
  ... on ExecutionStepFailureEvent { error { message causes { message } } }
  ... on RunFailureEvent { error { message } }
} } } }"""


def graphql(webserver: str, query: str, **variables: Any) -> dict[str, Any]:
    """The data of an answer. Raises RuntimeError with GraphQL's own errors."""
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(f"{webserver}/graphql", body, {"Content-Type": "application/json"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            content = json.load(answer)
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"GraphQL answered {error.code}: {error.read().decode()[:2000]}") from None
    if content.get("errors"):
        raise RuntimeError(f"GraphQL refused: {content['errors']}")
    return dict(content["data"])


def launch(webserver: str, first: str, last: str, job: str = "daily_batch") -> str:
    """Run id of the job, launched for the days from `first` to `last`."""
    tags = (
        {"dagster/partition": first}
        if first == last
        else {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    )
    selector = {"repositoryName": "__repository__", "repositoryLocationName": LOCATION, "jobName": job}
    metadata = {"tags": [{"key": key, "value": value} for key, value in tags.items()]}
    params = {"selector": selector, "runConfigData": {}, "executionMetadata": metadata}
    answer = graphql(webserver, LAUNCH, params=params)["launchRun"]
    if answer["__typename"] != "LaunchRunSuccess":
        raise RuntimeError(f"the run was not launched: {answer}")
    return str(answer["run"]["runId"])


def status(webserver: str, run_id: str) -> str:
    return str(graphql(webserver, STATUS, id=run_id)["runOrError"]["status"])


def events(webserver: str, run_id: str) -> list[dict[str, Any]]:
    return list(graphql(webserver, EVENTS, id=run_id)["logsForRun"]["events"])


def wait(webserver: str, run_id: str, seconds: float) -> str:
    """The run's final status. Raises TimeoutError when there is none in time."""
    deadline = time.monotonic() + seconds
    while (state := status(webserver, run_id)) not in FINAL:
        if time.monotonic() > deadline:
            raise TimeoutError(f"run {run_id} is still {state} after {seconds:.0f} s")
        time.sleep(2)
    return state


def main() -> int:
    parser = argparse.ArgumentParser(description="Launch the daily batch through the webserver and wait.")
    parser.add_argument("webserver")
    parser.add_argument("first")
    parser.add_argument("last")
    parser.add_argument("--seconds", type=float, default=1800)
    options = parser.parse_args()
    run_id = launch(options.webserver, options.first, options.last)
    print(f"run {run_id} is launched", file=sys.stderr)
    state = wait(options.webserver, run_id, options.seconds)
    for event in events(options.webserver, run_id):
        if event["__typename"] in ("ExecutionStepSuccessEvent", "ExecutionStepFailureEvent", "RunFailureEvent"):
            print(f"  {event.get('stepKey') or 'run'}: {event['message']}", file=sys.stderr)
    print(f"run {run_id}: {state}", file=sys.stderr)
    return 0 if state == "SUCCESS" else 1


if __name__ == "__main__":
    sys.exit(main())
