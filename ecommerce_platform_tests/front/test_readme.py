"""Every command of the README, the tutorial and the page on restoring runs as it is written, in its order, and prints what the
page says.

`make dev` serves until it is stopped: it is started, its page is fetched, and it is stopped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecommerce_platform_tests.front.walkthrough import (
    PROJECT,
    SERVERS,
    Step,
    first_line_missing,
    follow,
    installation,
    served,
    steps_of,
)


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[dict[str, str]]:
    with installation(tmp_path) as environment:
        yield environment


def read(page: str, environment: dict[str, str]) -> list[Step]:
    """Follows the page from its first command to its last."""
    steps = steps_of((PROJECT / page).read_text())
    for step in steps:
        if step.commands not in SERVERS:
            follow(step, environment)
            continue
        with served(step.commands, environment):
            pass
    return steps


@pytest.mark.slow
def test_every_command_of_the_readme_runs_as_written(fresh: dict[str, str]) -> None:
    steps = read("README.md", fresh)
    assert any(step.commands == "make demo" for step in steps)


@pytest.mark.soak
def test_who_follows_the_tutorial_word_by_word_gets_what_it_says(fresh: dict[str, str]) -> None:
    steps = read("docs/tutorial.md", fresh)
    assert sum(bool(step.expected) for step in steps) > 8


@pytest.mark.soak
def test_what_was_lost_comes_back_by_the_commands_of_the_page(fresh: dict[str, str]) -> None:
    steps = read("docs/how-to/restore.md", fresh)
    assert sum(bool(step.expected) for step in steps) > 6


def test_a_pages_expected_output_is_found_in_its_order_only() -> None:
    page = "```bash\nls\n```\n\ntext\n\n```text\na  1\n…\nb … c\n```\n"
    (step,) = steps_of(page)
    assert first_line_missing("x\na 1\nno\nB and c", step.expected) is None
    assert first_line_missing("b c\na 1", step.expected) == "b … c"


def test_the_readme_names_only_make_targets_that_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"make ([a-z][a-z-]+)", (PROJECT / "README.md").read_text()))
    assert named <= targets, f"README names {sorted(named - targets)}, which the Makefile lacks"


def test_the_readmes_links_lead_somewhere() -> None:
    text = (PROJECT / "README.md").read_text()
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if "://" not in target:
            assert (PROJECT / target).exists(), f"README links to {target}, which is not there"
