"""Takes the pictures of the leaderboard's site for the documentation, in headless Chromium.

    python docs/tools/screenshots.py               # of leaderboard/: docs/images/site-*
    python docs/tools/screenshots.py STORE OUT     # of another store
    python docs/tools/screenshots.py STORE OUT.png # only its first board

Needs `chromium` and `chromedriver` (Debian: chromium, chromium-driver, fonts-wqy-microhei).
"""

from __future__ import annotations

import base64
import io
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

from mdlp_bench.leaderboard.boards import Board, boards
from mdlp_bench.leaderboard.site import build_site
from mdlp_bench.leaderboard.site.data import page_name, typical_sample
from mdlp_bench.leaderboard.store import Store

ROOT: Final = Path(__file__).resolve().parents[2]
_DESKTOP: Final = {"width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": False}
_PHONE: Final = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
_FLAGS: Final = ("headless", "no-sandbox", "disable-gpu", "hide-scrollbars", "disable-background-networking")


def browser(profile: str) -> Any:
    """A headless Chromium with a profile folder of its own."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        sys.exit("chromium and chromedriver are needed: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*_FLAGS, f"user-data-dir={profile}"):
        options.add_argument(f"--{flag}")
    return webdriver.Chrome(options=options, service=Service(driver))


def take(
    page: Any, address: str, out: Path, *, screen: dict[str, Any], theme: str, until: str | None = None
) -> None:
    """Open an address and write what the screen shows, as a PNG of 256 colours or, for photographs, a JPEG.

    Args:
        page: The browser.
        address: Of the page.
        out: The file, .png or .jpg.
        screen: Size and scale of the screen.
        theme: light or dark.
        until: Selector of the last element to show: the screen grows to it; None for its own height.
    """
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    page.get("about:blank")
    page.get(address)
    page.execute_script(f"document.documentElement.dataset.theme = '{theme}'")
    drawn = "return [...document.images].every(i => i.complete) && document.fonts.status === 'loaded'"
    WebDriverWait(page, 60).until(lambda one: one.execute_script(drawn))
    if until is not None:
        bottom = page.execute_script(
            "return document.querySelector(arguments[0]).getBoundingClientRect().bottom + scrollY", until
        )
        page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen | {"height": int(bottom) + 16})
    shot = page.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})["data"]
    picture = Image.open(io.BytesIO(base64.b64decode(shot))).convert("RGB")
    if out.suffix == ".png":
        picture = picture.quantize(256, dither=Image.Dither.NONE)
    picture.save(out, optimize=True, quality=88)


def pictures(board: Board, site: Path, out: Path, page: Any) -> list[Path]:
    """The pictures: the board and, unless `out` is a file, the same on a phone in the dark, and a sample."""
    root = site.resolve().as_uri()
    alone = out.suffix == ".png"
    made = [out] if alone else [out / f"site-{name}" for name in ("board.png", "phone.png", "samples.jpg")]
    address = f"{root}/boards/{board.slug}.html"
    take(page, address, made[0], screen=_DESKTOP, theme="light", until="#board")
    if alone:
        return made
    take(page, address, made[1], screen=_PHONE, theme="dark", until="#board tbody tr:nth-child(4)")
    first, second = (page_name(row.entry) for row in (*board.rows, board.rows[0])[:2])
    state = urlencode({"sample": typical_sample(board), "a": first, "b": second})
    address = f"{root}/samples/{board.card.slug}.html#{state}"
    take(page, address, made[2], screen=_DESKTOP, theme="light", until="#view")
    return made


def main() -> None:
    """Build the site of a store and take the pictures of its first board."""
    store = Store(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "leaderboard")
    out = Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT / "docs" / "images"
    board = next((one for one in boards(store) if one.kind == "main"), None)
    if board is None:
        sys.exit(f"{store.root}: no board in it; add an entry first")
    with tempfile.TemporaryDirectory() as folder:
        build_site(store, Path(folder) / "site")
        page = browser(f"{folder}/profile")
        try:
            for path in pictures(board, Path(folder) / "site", out, page):
                sys.stdout.write(f"{path}: {path.stat().st_size:,} bytes\n")
        finally:
            page.quit()


if __name__ == "__main__":
    main()
