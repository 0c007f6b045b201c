"""Subset the fonts of the plate renderer from the npm packages that carry them.

Run once by whoever changes the set of fonts; the results are part of the package:

    npm install --ignore-scripts @expo-google-fonts/noto-sans-sc@0.4.3 \
        @fontsource/{roboto-condensed,barlow-condensed,barlow-semi-condensed}@5.3.0 \
        @fontsource/{rajdhani,sofia-sans-condensed,archivo-narrow,overpass}@5.3.0
    python make_fonts.py node_modules

Needs fontTools. Every output is renamed (family `Plate ...`), hinting and layout features are dropped, and
the licence text of each source is copied beside it.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from fontTools.subset import Options, Subsetter  # type: ignore[import-untyped]
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]
from fontTools.ttLib.tables._g_l_y_f import flagOverlapSimple  # type: ignore[import-untyped]

from mdlp_bench.plate import DIGITS, LETTERS, PROVINCES, SPECIAL_GLYPHS

HERE = Path(__file__).parent
LATIN = DIGITS + LETTERS + "I"  # the I without serifs is the digit 1 of GA 36, a bare bar
HAN = PROVINCES + SPECIAL_GLYPHS
_NOTO = "@expo-google-fonts/noto-sans-sc"
SOURCES = {
    "han_medium": (f"{_NOTO}/500Medium/NotoSansSC_500Medium.ttf", f"{_NOTO}/LICENSE_FONT", HAN),
    "han_bold": (f"{_NOTO}/700Bold/NotoSansSC_700Bold.ttf", f"{_NOTO}/LICENSE_FONT", HAN),
} | {
    package.replace("-", "_"): (
        f"@fontsource/{package}/files/{package}-latin-{weight}-normal.woff",
        f"@fontsource/{package}/LICENSE",
        LATIN,
    )
    for package, weight in {
        "roboto-condensed": 500,
        "barlow-condensed": 500,
        "barlow-semi-condensed": 500,
        "rajdhani": 600,
        "sofia-sans-condensed": 600,
        "archivo-narrow": 500,
        "overpass": 500,
    }.items()
}


def main(modules: Path) -> None:
    """Write one `.ttf` and one `.OFL.txt` for every source."""
    for name, (font_file, licence_file, characters) in SOURCES.items():
        font = TTFont(modules / font_file, recalcTimestamp=False)
        font.flavor = None
        options = Options(
            hinting=False, layout_features=[], notdef_outline=True, name_IDs=[], glyph_names=False
        )
        subsetter = Subsetter(options)
        subsetter.populate(text=characters)
        subsetter.subset(font)
        for outline in font["glyf"].glyphs.values():
            outline.expand(font["glyf"])
            if getattr(outline, "flags", None):
                outline.flags[0] &= ~flagOverlapSimple  # or FreeType draws each glyph sixteen times as large
        names = font["name"]
        names.names = []
        family = "Plate " + name.replace("_", " ").title()
        for name_id, value in {
            0: "See the licence beside this file",
            1: family,
            2: "Regular",
            4: family,
        }.items():
            names.setName(value, name_id, 3, 1, 0x409)
        font.save(HERE / f"{name}.ttf", reorderTables=True)
        shutil.copyfile(modules / licence_file, HERE / f"{name}.OFL.txt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
