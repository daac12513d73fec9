"""The pages in a real browser, on light and on dark: what is drawn, that it can be read, and that nothing is fetched."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from ecommerce_platform.reconciliation.present.render import day_page, overview_page
from ecommerce_platform_tests.reconciliation.test_reports import NASTY, a_report, an_overview
from ecommerce_platform_tests.reconciliation.two_layers import DAY

pytestmark = pytest.mark.browser
_QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
#: WCAG 2.1, AA: 4.5 for text.
_CONTRAST = 4.5
# Every piece of text with its colour and what lies behind it; drawings' text has its colour in `fill`.
_TEXTS = """() => {
  const rgb = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const behind = element => {
    for (let e = element; e; e = e.parentElement) {
      const colour = rgb(getComputedStyle(e).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const light = c => c.map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement, text = walker.currentNode.textContent.trim();
    if (!text || ['STYLE', 'DEFS', 'style'].includes(element.tagName)) continue;
    const style = getComputedStyle(element), drawn = element.closest('svg');
    const colour = rgb(drawn ? style.fill : style.color).slice(0, 3);
    const [a, b] = [light(colour), light(behind(element))].sort((x, y) => y - x);
    found.push({text, drawn: !!drawn, contrast: (a + 0.05) / (b + 0.05), size: parseFloat(style.fontSize)});
  }
  return found;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("no chromium on this machine")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=list(_QUIET))
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("reports")
    contents = {"day": day_page(a_report()), "index": overview_page(an_overview(), {DAY})}
    for name, content in contents.items():
        (folder / f"{name}.html").write_text(content, encoding="utf-8")
    (folder / f"{DAY}.html").write_text(contents["day"], encoding="utf-8")
    return {name: folder / f"{name}.html" for name in contents}


def opened(browser: Browser, path: Path, scheme: Any) -> tuple[Page, list[str]]:
    """The page, and what the browser asked for or complained about beyond it."""
    page = browser.new_page(color_scheme=scheme, viewport={"width": 1280, "height": 900})
    heard: list[str] = []
    page.on("request", lambda request: None if request.url == path.as_uri() else heard.append(request.url[:100]))
    page.on("console", lambda message: heard.append(message.text))
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.goto(path.as_uri())
    return page, [text for text in heard if not text.startswith("data:")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["day", "index"])
def test_a_page_is_readable_whole_and_asks_for_nothing(
    browser: Browser, pages: dict[str, Path], name: str, scheme: str, tmp_path: Path
) -> None:
    page, heard = opened(browser, pages[name], scheme)
    assert heard == []
    texts = page.evaluate(_TEXTS)
    assert len(texts) > 60
    assert sum(item["drawn"] for item in texts) > 15
    faint = [(item["text"], round(item["contrast"], 2)) for item in texts if item["contrast"] < _CONTRAST]
    assert faint == []
    sizes = page.evaluate(
        "() => [...document.querySelectorAll('svg')].map(s => [s.clientWidth, s.clientHeight, s.viewBox.baseVal.width])"
    )
    assert all(width > 300 and height > 100 for width, height, _ in sizes)
    # Drawn text is no smaller than 8 pixels on the screen.
    assert all(width / inner * 8 * 4 / 3 >= 8 for width, _, inner in sizes)
    # Nothing is wider than the window, but for tables, which scroll by themselves.
    assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
    shot = page.screenshot(full_page=True, path=str(tmp_path / f"{name}-{scheme}.png"))
    assert len(shot) > 50_000
    page.close()


def test_light_and_dark_differ_in_every_drawing(browser: Browser, pages: dict[str, Path]) -> None:
    shots = []
    for scheme in ("light", "dark"):
        page, _ = opened(browser, pages["day"], scheme)
        shots.append([page.locator("svg").nth(place).screenshot() for place in range(page.locator("svg").count())])
        page.close()
    assert len(shots[0]) == 2
    assert all(light != dark for light, dark in zip(*shots, strict=True))


def test_values_show_as_they_are_and_run_nothing(browser: Browser, pages: dict[str, Path]) -> None:
    page, _ = opened(browser, pages["day"], "light")
    assert page.get_by_text(NASTY, exact=True).count() == 1
    assert page.locator("script").count() == 0
    page.close()


def test_the_overview_leads_to_a_date_and_back(browser: Browser, pages: dict[str, Path]) -> None:
    page, _ = opened(browser, pages["index"], "light")
    page.get_by_role("link", name=str(DAY)).click()
    assert page.title() == f"Reconciliation of {DAY}"
    page.get_by_role("link", name="All business dates").click()
    assert page.title().startswith("Convergence")
    page.close()
