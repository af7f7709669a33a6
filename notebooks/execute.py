"""Executes the notebooks: each `.py` here becomes an `.ipynb` next to it, with small outputs.

    python notebooks/execute.py            # writes all
    python notebooks/execute.py --check    # writes none; fails if an .ipynb has other cells

They run in a temporary folder, in this order, because later ones read the run of the first.
"""

import argparse
import io
import sys
import tempfile
import time
from base64 import b64decode, b64encode
from pathlib import Path

import jupytext
import nbformat
from jupyter_client import AsyncKernelManager
from nbclient import NotebookClient
from nbformat import NotebookNode
from PIL import Image

FOLDER = Path(__file__).parent
NAMES = (
    "from-training-to-arrows",
    "your-own-model",
    "members-and-methods",
    "real-photographs",
)
COLORS = 256  # of a figure
TIMEOUT = 600  # of a cell, seconds
PHOTOS = "photos"  # tags cells whose figures show photos of others, which are not kept


def main() -> None:
    """Executes all notebooks, and writes or checks their `.ipynb` files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as folder:
        for name in NAMES:
            path = FOLDER / f"{name}.ipynb"
            notebook = read(path.with_suffix(".py"))
            if check and cells(notebook) != cells(nbformat.read(path, as_version=4)):
                sys.exit(f"{path.name} has other cells than {name}.py: run notebooks/execute.py")
            start = time.perf_counter()
            execute(notebook, folder)
            if not check:
                nbformat.write(notebook, path)
            print(f"{name}: {time.perf_counter() - start:.0f} s", flush=True)


def read(source: Path) -> NotebookNode:
    """Reads a notebook without outputs from a `.py` file."""
    notebook = jupytext.read(source)
    notebook.metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python"},
    }
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"  # a random one would change with each run
    return notebook


def cells(notebook: NotebookNode) -> list[tuple[str, str]]:
    """Returns the type and the source of every cell."""
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


def execute(notebook: NotebookNode, folder: str) -> None:
    """Executes a notebook in a folder; a warning is an error."""
    metadata = notebook.metadata
    resources = {"metadata": {"path": folder}}
    # Sockets are files, so that no port is open.
    kernel = AsyncKernelManager(kernel_name="python3", transport="ipc", ip=f"{folder}/kernel")
    client = NotebookClient(
        notebook,
        km=kernel,
        timeout=TIMEOUT,
        startup_timeout=TIMEOUT,
        record_timing=False,
        resources=resources,
    )
    client.execute()
    notebook.metadata = metadata.copy()
    notebook.metadata["language_info"] = {"name": "python"}  # without the version of this Python
    for cell in notebook.cells:
        outputs = cell.get("outputs", [])
        for output in outputs:
            if output.get("name") == "stderr" and "Warning" in output.text:
                sys.exit(f"a cell warns:\n{cell.source}\n\n{output.text}")
            shrink(output, keep=PHOTOS not in cell.metadata.get("tags", []))
        if outputs:  # what else goes to stderr is about the machine, such as a slow compiler
            cell.outputs = [output for output in outputs if output.get("name") != "stderr"]


def shrink(output: NotebookNode, keep: bool) -> None:
    """Reduces the colors of a figure, or leaves the figure out."""
    figure = output.get("data", {}).pop("image/png", None)
    if figure is None or not keep:
        return
    image = Image.open(io.BytesIO(b64decode(figure))).convert("RGB")
    file = io.BytesIO()
    image.quantize(COLORS, dither=Image.Dither.NONE).save(file, "png", optimize=True)
    output.data["image/png"] = b64encode(file.getvalue()).decode()


if __name__ == "__main__":
    main()
