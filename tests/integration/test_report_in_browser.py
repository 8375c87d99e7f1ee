"""The page in a real browser: what a reader gets, not what we wrote."""

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from written_run import write_run

from halfmap.report.page import report_page

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--enable-logging=stderr",
)
DESKTOP, PHONE = (1200, 2000), (390, 2000)
PROBE = """<script>
addEventListener("load", () => {
  const images = [...document.images];
  const grid = getComputedStyle(document.querySelector(".cards")).gridTemplateColumns;
  const loaded = performance.getEntriesByType("resource").map(r => r.name);
  const found = {
    broken: images.filter(i => !(i.complete && i.naturalWidth > 0)).map(i => i.alt),
    images: images.length,
    unnamed: images.filter(i => !i.alt).length,
    cards: document.querySelectorAll("figure.card").length,
    sections: [...document.querySelectorAll("section")].map(s => s.id),
    links: [...document.querySelectorAll("nav a")].map(a => a.hash.slice(1)),
    columns: grid.split(" ").length,
    width: document.documentElement.scrollWidth,
    window: innerWidth,
    fetched: loaded.filter(name => !name.startsWith("data:")),
  };
  const out = document.createElement("pre");
  out.id = "probe";
  out.textContent = JSON.stringify(found);
  document.body.append(out);
});
</script>"""


@pytest.fixture(scope="module")
def browser() -> str:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} on PATH")
    return found


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("job")
    file = folder / "page.html"
    file.write_text(report_page(write_run(folder)), encoding="utf-8")
    return file


def visit(browser: str, page: Path, size: tuple[int, int], *flags: str) -> tuple[str, list[str]]:
    """Open a page; return its document and what the browser complained about."""
    profile = page.parent / "profile"
    width, height = size
    command = [
        browser,
        *FLAGS,
        f"--user-data-dir={profile}",
        f"--window-size={width},{height}",
        *flags,
        page.as_uri(),
    ]
    result = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True)
    complaints = [line for line in result.stderr.splitlines() if ":CONSOLE" in line]
    return result.stdout, complaints


def probed(browser: str, page: Path, size: tuple[int, int]) -> dict:
    """Open a copy of a page that measures itself."""
    # The page forbids itself every script; the copy may run the probe.
    html = re.sub(r"<meta http-equiv[^>]*>", "", page.read_text(encoding="utf-8"))
    copy = page.with_name("probed.html")
    copy.write_text(html.replace("</body>", f"{PROBE}</body>"), encoding="utf-8")
    document, complaints = visit(browser, copy, size, "--dump-dom")
    assert complaints == []
    found = re.search(r'<pre id="probe">(.*?)</pre>', document, re.DOTALL)
    assert found is not None, "the script of the probe did not run"
    return json.loads(unescape(found[1]))


def test_the_browser_shows_the_page_and_complains_of_nothing(browser: str, page: Path) -> None:
    document, complaints = visit(browser, page, DESKTOP, "--dump-dom")

    assert complaints == []
    assert "<title>Converged at 17.8 Å after 5 iterations · run · halfmap</title>" in document


def test_every_image_is_drawn_and_nothing_is_fetched(browser: str, page: Path) -> None:
    found = probed(browser, page, DESKTOP)

    assert found["broken"] == []
    assert (found["images"], found["cards"]) == (14 + 18, 14)
    assert found["unnamed"] == 0
    assert found["fetched"] == []


def test_every_link_leads_to_a_section(browser: str, page: Path) -> None:
    found = probed(browser, page, DESKTOP)

    assert found["links"] == found["sections"]
    assert found["columns"] == 2


def test_the_page_fits_a_phone_without_sliding_sideways(browser: str, page: Path) -> None:
    found = probed(browser, page, PHONE)

    assert found["columns"] == 1
    assert found["width"] <= found["window"] <= 500


def test_a_screenshot_has_ink_on_white(browser: str, page: Path) -> None:
    from matplotlib.image import imread

    shot = page.parent / "page.png"
    visit(browser, page, DESKTOP, f"--screenshot={shot}")

    pixels = imread(shot)[..., :3]
    assert pixels.shape[:2] == (DESKTOP[1], DESKTOP[0])
    np.testing.assert_array_equal(pixels[0, 0], 1.0)
    # Maps and figures fill about a third of it; an empty page has no ink at all.
    assert 0.05 < np.mean(np.any(pixels < 0.95, axis=-1)) < 0.8


def test_the_page_of_a_relion_run_is_shown_too(browser: str, shared: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(report_page(shared / "golden/relion_real_betagal"), encoding="utf-8")

    found = probed(browser, page, DESKTOP)

    assert found["broken"] == []
    assert found["images"] > 18
