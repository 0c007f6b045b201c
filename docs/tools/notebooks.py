"""Runs the notebooks and writes what they show to docs/notebooks/, as Markdown with small pictures.

    python docs/tools/notebooks.py             # all of them
    python docs/tools/notebooks.py 05_lp_diff  # one

The notebooks themselves stay without outputs.
"""

from __future__ import annotations

import base64
import io
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
import torch
from nbclient import NotebookClient
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "notebooks"
RENDERED = ROOT / "docs" / "notebooks"
_QUALITY = 80
# Escape sequences that colour a terminal's tables.
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def run(path: Path, folder: Path) -> Any:
    """Execute a notebook in a folder and return it with its outputs; an error in a cell is raised."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        # A cell's prints are one output, however many messages a busy machine makes of them.
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
    )
    return client.execute()


def to_markdown(notebook: Any, name: str) -> tuple[str, dict[str, bytes]]:
    """The notebook as Markdown and its pictures by file name."""
    parts = [f"<!-- Made by docs/tools/notebooks.py from notebooks/{name}.ipynb -->"]
    pictures: dict[str, bytes] = {}
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            text = cell.source.replace("](../docs/", "](../")
            parts.append(re.sub(r"\]\((\d\d_\w+)\.ipynb\)", r"](\1.md)", text))
            continue
        parts.append(f"```python\n{cell.source}\n```")
        for output in cell.outputs:
            if output.output_type == "stream":
                parts.append(f"```text\n{_COLOURS.sub('', output.text).rstrip()}\n```")
            elif "text/markdown" in output.get("data", {}):
                parts.append(f"<!-- output -->\n\n{output.data['text/markdown'].rstrip()}\n\n<!-- end -->")
            elif "image/png" in output.get("data", {}):
                file = f"{name}_{len(pictures) + 1}.jpg"
                pictures[file] = _small(base64.b64decode(output.data["image/png"]))
                parts.append(f"![Picture {len(pictures)} of this notebook]({file})")
            elif "text/plain" in output.get("data", {}):
                plain = _COLOURS.sub("", output.data["text/plain"])
                parts.append("```text\n" + "\n".join(map(str.rstrip, plain.splitlines())) + "\n```")
    return "\n\n".join(parts) + "\n", pictures


def _small(png: bytes) -> bytes:
    stream = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").save(stream, "JPEG", quality=_QUALITY, optimize=True)
    return stream.getvalue()


def main(names: list[str]) -> None:
    """Render the named notebooks, or all of them."""
    os.environ["COLUMNS"] = "110"
    RENDERED.mkdir(exist_ok=True)
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        if names and path.stem not in names:
            continue
        with tempfile.TemporaryDirectory() as folder:
            text, pictures = to_markdown(run(path, Path(folder)), path.stem)
        for old in RENDERED.glob(f"{path.stem}_*.jpg"):
            old.unlink()
        for file, content in pictures.items():
            (RENDERED / file).write_bytes(content)
        (RENDERED / f"{path.stem}.md").write_text(
            text.replace(folder, "/tmp/work").replace(torch.hub.get_dir(), "~/.cache/torch/hub"),
            encoding="utf-8",
        )
        sys.stdout.write(f"{path.stem}: {len(pictures)} pictures\n")


if __name__ == "__main__":
    main(sys.argv[1:])
