"""The check of words sees what it is there for: banned words, identifiers that say nothing, and pointers to no file."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def check() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_words", PROJECT / "scripts" / "check_words.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def lines_of(check: ModuleType, folder: Path, **files: str) -> list[str]:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return list(check.problems(folder, names))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("# The table is built anew.\n", "anew"),
        ('raise ValueError("the day was told apart")\n', "told"),
        ('"""A lag is no discrepancy."""\n', "is no"),
        ("x = f'{1} ends without a word'\n", "without a word"),
        ("# Waits for ever.\n", "for ever"),
    ],
)
def test_a_banned_word_is_named_by_file_and_line(check: ModuleType, tmp_path: Path, text: str, word: str) -> None:
    (line,) = lines_of(check, tmp_path, room__a_dot_py="\n" + text)
    assert line.startswith("room/a.py:2: '")
    assert word in line


def test_pages_sql_and_settings_are_read_too(check: ModuleType, tmp_path: Path) -> None:
    texts = {
        "docs__a_dot_md": "Read aloud.\n",
        "models__a_dot_sql": "-- anew\n",
        "chart__values_dot_yaml": "# in vain\n",
    }
    assert len(lines_of(check, tmp_path, **texts)) == 3


@pytest.mark.parametrize(
    "source",
    [
        "found = 1\n",
        "def told() -> None: ...\n",
        "def f(wanted: int) -> int:\n    return wanted\n",
        "rows = [said for said in ()]\n",
        "class A:\n    def f(self) -> None:\n        self.there = 1\n",
        "import ast as _found\n",
        "def test_a_failure_is_told() -> None: ...\n",
    ],
)
def test_an_identifier_says_what_it_holds(check: ModuleType, tmp_path: Path, source: str) -> None:
    assert lines_of(check, tmp_path, a_dot_py=source)


@pytest.mark.parametrize("text", ["{%- set found = [] -%}\n", "  wanted=(a b)\n", "  local there=1\n"])
def test_identifiers_of_macros_and_scripts_say_it_too(check: ModuleType, tmp_path: Path, text: str) -> None:
    (line,) = lines_of(check, tmp_path, a_dot_sql=text)
    assert "say what it holds" in line


def test_plain_words_and_names_of_other_libraries_pass(check: ModuleType, tmp_path: Path) -> None:
    source = (
        '"""There is no day; it is no longer read, and nothing was found."""\n'
        "import pyarrow.fs as fs\n\n"
        'files = fs.FileSelector("x", allow_not_found=True)\n\n\n'
        "def test_the_order_is_found() -> None: ...\n"
    )
    assert lines_of(check, tmp_path, a_dot_py=source) == []


@pytest.mark.parametrize("pointer", ["render.py", "contracts/render.py", "docs/away.md", "other/model.sql"])
def test_a_pointer_to_a_file_that_does_not_exist_is_named(check: ModuleType, tmp_path: Path, pointer: str) -> None:
    files = {
        "package__contracts__model_dot_py": f'"""Columns ({pointer})."""\n',
        "package__contracts__reader_dot_py": "# See model.py, contracts/model.py and reports/render.py.\n",
        "package__reports__render_dot_py": "x = 1\n",
    }
    (line,) = lines_of(check, tmp_path, **files)
    assert line.startswith(f"package/contracts/model.py:1: points to {pointer}, which does not exist")


def test_a_page_names_files_anywhere_and_addresses_and_files_to_create_are_not_pointers(
    check: ModuleType, tmp_path: Path
) -> None:
    page = "`model.py`, https://example.org/away.py, and create. Create `dbt/new.sql`:\n\n--- a/dbt/old.sql\n"
    assert lines_of(check, tmp_path, docs__a_dot_md=page, package__contracts__model_dot_py="x = 1\n") == []


def test_words_that_lead_astray_make_the_command_fail(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    script = tmp_path / "scripts" / "check_words.py"
    script.write_text((PROJECT / "scripts" / "check_words.py").read_text())
    (tmp_path / "a.md").write_text("Built anew, see away.md.\n")
    for command in (["git", "init", "-q"], ["git", "add", "a.md", "scripts"]):
        subprocess.run(command, cwd=tmp_path, check=True)
    ended = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        "a.md:1: 'anew': write again, or a verb with re-",
        "a.md:1: points to away.md, which does not exist: name the file that is meant",
    ]
