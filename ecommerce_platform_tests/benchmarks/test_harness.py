"""The benchmarks' harness: turns, equal results, verdicts, result files and the page made of them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks import report, results
from benchmarks.harness import Contender, Goal, Outcome, Report, Row, Size, Timing, Unequal, race, ratio, run_child


def contender(name: str, turns: list[str], seconds: list[float], result: object = 7) -> Contender:
    def run() -> Outcome:
        turns.append(name)
        return Outcome(result, seconds[len([other for other in turns if other == name]) - 1], {"bytes": 10.0})

    return Contender(name, run)


def test_contenders_take_turns_and_a_ratio_is_taken_round_by_round() -> None:
    turns: list[str] = []
    timings = race([contender("a", turns, [1, 10, 100]), contender("b", turns, [2, 40, 300])], rounds=3)
    assert turns == ["a", "b"] * 3
    assert timings["a"].median == 10
    assert ratio(timings, "b", "a") == 3
    assert timings["a"].figures == {"bytes": 10.0}


@pytest.mark.parametrize(("warm_up", "counted"), [(0, (99, 98)), (1, (98, 1)), (2, (1, 2))])
def test_warm_up_rounds_do_not_count(warm_up: int, counted: tuple[int, ...]) -> None:
    timings = race([contender("a", [], [99, 98, 1, 2])], rounds=2, warm_up=warm_up)
    assert timings["a"].seconds == counted


def test_unequal_results_end_the_race_in_its_first_round() -> None:
    turns: list[str] = []
    with pytest.raises(Unequal, match="a and b differ: 7 against 8"):
        race([contender("a", turns, [1, 1]), contender("b", turns, [1, 1], result=8)], rounds=2)
    assert turns == ["a", "b"]


@pytest.mark.parametrize(
    ("value", "goal", "line"),
    [
        (7.1, Goal(5, at_least=True), "goal met   : x: 7.1× (goal: at least 5×)"),
        (4.9, Goal(5, at_least=True), "GOAL MISSED: x: 4.9× (goal: at least 5×)"),
        (1.31, Goal(1.3), "GOAL MISSED: x: 1.31× (goal: at most 1.3×)"),
        (1.3, Goal(1.3), "goal met   : x: 1.3× (goal: at most 1.3×)"),
        (123456.7, None, "            x: 123,457×"),
    ],
)
def test_a_row_says_whether_its_goal_was_met(value: float, goal: Goal | None, line: str) -> None:
    assert Row("x", value, "×", goal).line() == line


def test_a_child_process_answers_in_json_and_its_memory_is_known(tmp_path: Path) -> None:
    program = "x = bytearray(200_000_000); print('noise'); print('{\"found\": [1]}')"
    child = run_child([sys.executable, "-c", program], tmp_path)
    assert child.answer == {"found": [1]}
    # What the parent held before the child's program began may count in (getrusage of a forked process).
    assert child.peak_bytes > 200_000_000


def test_a_child_that_fails_is_named_with_its_words(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="no such table"):
        run_child([sys.executable, "-c", "raise SystemExit('no such table')"], tmp_path)


def test_the_pages_are_made_of_the_result_files(tmp_path: Path) -> None:
    for size, memory in ((Size.QUICK, 3.0), (Size.FULL, 4.0)):
        measured = Report(
            "sorting",
            "Sorting",
            size,
            {"rows": 1_000_000},
            (
                Row("ours beside theirs", 0.5, "×", Goal(1.0)),
                Row("memory", memory, " GiB", Goal(2.0), "Memory is spent on X."),
            ),
            {"one": {"ours": Timing((1.0, 2.0)), "theirs": Timing((2.0, 4.0), {"bytes": 5.0})}},
            notes=("What was left out.",),
        )
        path = results.write(measured, (0.5, 0.5, 0.5), tmp_path / "results")
        written = json.loads(path.read_text())
        assert written["machine"]["cores"] >= 1
        assert written["versions"]["dagster"]
    plots = tmp_path / "performance"
    page = report.write_pages(tmp_path / "results", tmp_path / "performance.md", plots).read_text()
    first_screen, _, rest = page.partition("\n## ")
    assert "| [Sorting](#sorting) | **1 of 2** | memory | 4 GiB | at most 2 GiB |" in first_screen
    assert first_screen.count("](performance/") == 2, "one picture and the page of what was tried"
    assert "\n## Sorting\n" in rest
    for text in ("rows 1,000,000", "Memory is spent on X.", "What was left out."):
        assert text in rest
    quick = (plots / "quick.md").read_text()
    assert "| memory | 3 GiB | at most 2 GiB | **missed** |" in quick
    assert "4 GiB" not in quick
    for picture in ("sorting-quick.svg", "sorting-full.svg"):
        assert (plots / picture).read_text().count("theirs") >= 1
    assert "sorting: memory" in (plots / "goals.svg").read_text()


def test_how_far_a_value_is_from_its_goal_is_the_same_for_both_kinds_of_goal() -> None:
    def of_goal(value: float, goal: Goal) -> float:
        return report.of_goal({"value": value, "goal": {"limit": goal.limit, "at_least": goal.at_least}})

    assert of_goal(3, Goal(1.5)) == 2
    assert of_goal(0.25, Goal(0.5, at_least=True)) == 2
    assert of_goal(10, Goal(5, at_least=True)) == 0.5
