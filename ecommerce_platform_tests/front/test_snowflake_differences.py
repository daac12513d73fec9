"""What fails on an account is written down by name, with what it said."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "snowflake_differences.py"
REPORT = """<testsuites><testsuite>
<testcase classname="warehouse.test_load" name="test_a[account]"/>
<testcase classname="warehouse.test_load" name="test_b[account]">
<failure message="000904: invalid identifier">x</failure></testcase>
<testcase classname="warehouse.test_load" name="test_c[account]"><skipped message="no"/></testcase>
</testsuite></testsuites>"""


@pytest.mark.parametrize(("report", "code"), [(REPORT, 1), (REPORT.replace("failure", "system-out"), 0)])
def test_failures_on_the_account_are_written_down(tmp_path: Path, report: str, code: int) -> None:
    spec = importlib.util.spec_from_file_location("snowflake_differences", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    (tmp_path / "report.xml").write_text(report)
    assert script.main(tmp_path / "report.xml", tmp_path / "page.md") == code
    page = (tmp_path / "page.md").read_text()
    assert f"2 tests ran on the account, {code} failed" in page
    assert ("000904: invalid identifier" in page) == bool(code)
