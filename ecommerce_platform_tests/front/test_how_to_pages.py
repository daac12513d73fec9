"""Each how-to page, word for word, by a reader who has called `make demo` before; and no page that nobody runs.

Each page finds the checkout as the demo left it: what another page has changed is gone. The lines that must be printed stand on
the page itself.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ecommerce_platform_tests.front.walkthrough import (
    NOT_RUN,
    PROJECT,
    SERVERS,
    Step,
    apply_edits,
    edits_of,
    follow,
    installation,
    is_left_out,
    run,
    served,
    steps_of,
)

PAGES = PROJECT / "docs" / "how-to"
TESTS = PROJECT / "ecommerce_platform_tests"
#: Followed here.
HERE = (
    "backfill.md",
    "dbt.md",
    "dg.md",
    "forget.md",
    "late-data.md",
    "new-mart.md",
    "order-status.md",
    "own-data.md",
    "package.md",
    "quarantine.md",
    "reconciliation.md",
    "upgrade.md",
)
#: Followed by another test, because it needs other data or changes what the page's checkout is.
ELSEWHERE = {
    "index.md": "front/test_where_to_change.py",
    "new-column.md": "end_to_end/test_pages_on_contracts.py",
    "new-metric.md": "reconciliation/test_daily_metrics.py",
    "new-source-table.md": "end_to_end/test_pages_on_contracts.py",
    "restore.md": "front/test_readme.py",
}
#: The languages of blocks that hold data. Another one would be a way past the tests.
DATA = {"diff", "properties", "python", "sql", "text", "yaml"}
_FENCE = re.compile(r"^( *)```(\S*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
#: A command within a sentence. Its bare name, as in a table of commands, is one that is explained.
_RUN_ON = re.compile(r"(?:\.venv/bin/|export |git |cd |\$ |python3? |pip )|.* && ")

_BARE = re.compile(r"\s*(?:\.venv/bin/|export \w+=|\$ |make [a-z-]+$)")


@pytest.fixture(scope="module")
def after_demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    """A copy of a checkout in which `make demo` was called, and the environment in which it was."""
    folder = tmp_path_factory.mktemp("how-to")
    with installation(folder) as environment:
        follow(Step("make demo\nmake down"), environment)
        shutil.copytree(environment["CHECKOUT"], folder / "kept", symlinks=True)
        yield folder / "kept", environment


@pytest.fixture
def shop(after_demo: tuple[Path, dict[str, str]]) -> Iterator[dict[str, str]]:
    kept, environment = after_demo
    shutil.rmtree(environment["CHECKOUT"])
    shutil.copytree(kept, environment["CHECKOUT"], symlinks=True)
    own = dict(environment)
    yield own
    # In the folder and with the settings in which the page ended.
    run("make down", own)


def give_newer_version(shop: dict[str, str]) -> None:
    """The checkout becomes a clone that lacks one commit of its origin."""
    git = "git -c user.name=test -c user.email=test@example.com"
    done = run(
        f"git init -qb main && git add -A && {git} commit -qm old && echo newer >> CHANGELOG.md && {git} commit -qam new\n"
        "rm -rf ../origin && git clone -q --bare . ../origin && git reset -q --hard HEAD~1\n"
        "git remote add origin ../origin && git fetch -q && git branch -qu origin/main",
        shop,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.soak
@pytest.mark.parametrize("page", HERE)
def test_the_page_does_what_it_says(page: str, shop: dict[str, str]) -> None:
    text = (PAGES / page).read_text(encoding="utf-8")
    apply_edits(edits_of(text), Path(shop["CHECKOUT"]))
    if page == "package.md":
        del shop["PYTHONPATH"]  # the wheel's own code is to run
    if page == "upgrade.md":
        give_newer_version(shop)
    with ExitStack() as servers:
        for step in steps_of(text):
            if step.commands in SERVERS:
                servers.enter_context(served(step.commands, shop))
            elif not is_left_out(page, step.commands):
                follow(step, shop)
    if page == "upgrade.md":
        assert (Path(shop["CHECKOUT"]) / "CHANGELOG.md").read_text().endswith("\nnewer\n")


def test_every_page_is_followed_by_a_test() -> None:
    assert sorted([*HERE, *ELSEWHERE]) == sorted(page.name for page in PAGES.glob("*.md"))
    for page, test in ELSEWHERE.items():
        text = (TESTS / test).read_text(encoding="utf-8")
        assert page in text, f"{test} does not read {page}"


def test_what_is_not_run_stands_on_its_page() -> None:
    for page, start in NOT_RUN:
        blocks = [body for _, _, body in _FENCE.findall((PAGES / page).read_text(encoding="utf-8"))]
        assert sum(body.startswith(start) for body in blocks) == 1, f"{page} has no block that begins with {start!r}"


def test_the_changes_on_the_pages_fit_the_files_line_by_line() -> None:
    """A change that fits some lines further on leaves a copy of the file beside it."""
    for page in PAGES.glob("*.md"):
        for step in filter(lambda step: step.is_diff, steps_of(page.read_text(encoding="utf-8"))):
            tried = subprocess.run(
                ["patch", "-p1", "--dry-run"],
                input=step.commands,
                cwd=PROJECT,
                capture_output=True,
                text=True,
                check=False,
            )
            assert tried.returncode == 0, f"{page.name}: {tried.stdout}{tried.stderr}"
            assert "Hunk" not in tried.stdout, f"{page.name}: {tried.stdout}"


@pytest.mark.parametrize("page", sorted(path.name for path in PAGES.glob("*.md")))
def test_no_command_of_a_page_is_hidden_from_the_tests(page: str) -> None:
    assert hidden((PAGES / page).read_text(encoding="utf-8")) == []


def hidden(page: str) -> list[str]:
    """Commands that are not in a bash block at the margin, where `steps_of` looks for them."""
    fences = _FENCE.findall(page)
    hiding = [f"```{kind}" for indent, kind, _ in fences if kind not in DATA and (kind, indent) != ("bash", "")]
    within_list = 0
    blank = True
    for line in _FENCE.sub("\n", page).splitlines():
        indent = len(line) - len(line.lstrip())
        if line.strip() and not indent:
            within_list = 4 if re.match(r"(?:[-*]|\d+\.) ", line) else 0
        if _BARE.match(line) or (blank and line.strip() and indent >= 4 + within_list):
            hiding.append(line)
        blank = not line.strip() or (blank and indent >= 4 + within_list)
        hiding += [span for span in re.findall(r"`([^`]+)`", line) if _RUN_ON.match(span)]
    return hiding


@pytest.mark.parametrize(
    "page",
    [
        "Text:\n\n    dg launch\n",
        "- a point\n\n        dg launch\n",
        "1. a point\n\n    ```bash\n    dg launch\n    ```\n",
        "```\ndg launch\n```\n",
        "```sh\ndg launch\n```\n",
        "Call\n\n.venv/bin/dg launch\n",
        "Call `.venv/bin/dg launch`.\n",
        "First `make setup && make demo`.\n",
    ],
)
def test_a_command_that_hides_is_found(page: str) -> None:
    assert len(hidden(page)) == 1


def test_what_is_no_command_is_none() -> None:
    assert (
        hidden(
            "1. a point\n\n    its text\n\n    ```sql\n    select 1\n    ```\n\nBy `make dev`.\n\n```bash\nls\n```\n"
        )
        == []
    )
