"""Writes down what a real Snowflake account does otherwise than the stand-in, from the JUnit report of `make test-snowflake`.

The tests that run on an account run on the stand-in too, in `make test`: what fails here and passes there is a difference.
"""

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def differences(report: Path) -> tuple[int, list[tuple[str, str]]]:
    """How many tests ran, and the name and first lines of each that failed. Raises FileNotFoundError without a report."""
    failed, ran = [], 0
    for case in ElementTree.parse(report).getroot().iter("testcase"):  # noqa: S314 - pytest has just written it
        if case.find("skipped") is not None:
            continue
        ran += 1
        for problem in (*case.findall("failure"), *case.findall("error")):
            text = "\n".join((problem.get("message") or problem.text or "").splitlines()[:6])
            failed.append((f"{case.get('classname')}::{case.get('name')}", text))
    return ran, failed


def main(report: Path, page: Path) -> int:
    ran, failed = differences(report)
    lines = [
        "# Where Snowflake differs from the stand-in",
        "",
        f"{ran} tests ran on the account, {len(failed)} failed.",
        "",
    ]
    for name, text in failed:
        lines += [f"## {name}", "", "```", text, "```", ""]
    page.write_text("\n".join(lines), encoding="utf-8")
    print(f"{ran} tests ran on the account, {len(failed)} failed: {page}")
    return int(bool(failed) or not ran)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
