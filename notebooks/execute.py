"""Executes the notebooks: each `.py` here becomes an `.ipynb` next to it, with small outputs.

    python notebooks/execute.py            # writes all
    python notebooks/execute.py --check    # writes none; fails if an .ipynb has other cells

They run in a temporary folder, in this order, because later ones read the run of the first.
"""

import argparse
import base64
import io
import os
import sys
import tempfile
import time
from pathlib import Path

import jupytext
import nbformat
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
TIMEOUT = 600  # of a cell, seconds
CONFIG = 'c.InlineBackend.print_figure_kwargs = {"dpi": 85, "bbox_inches": "tight"}'
PHOTOS = "photos"  # tags cells whose figures show photos of others, which are not kept


def main() -> None:
    """Executes all notebooks, and writes or checks their `.ipynb` files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as folder:
        configure(Path(folder, "ipython"))
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
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.metadata = {"kernelspec": kernel}
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"  # a random one would change with each run
    return notebook


def cells(notebook: NotebookNode) -> list[tuple[str, str]]:
    """Returns the type and the source of every cell."""
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


def configure(ipython: Path) -> None:
    """Makes figures small, in a configuration that has nothing of the user's own."""
    profile = ipython / "profile_default"
    profile.mkdir(parents=True)
    (profile / "ipython_kernel_config.py").write_text(CONFIG)
    os.environ["IPYTHONDIR"] = str(ipython)


def execute(notebook: NotebookNode, folder: str) -> None:
    """Executes a notebook in a folder; a warning is an error."""
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=TIMEOUT,
        startup_timeout=TIMEOUT,
        record_timing=False,
        resources={"metadata": {"path": folder}},
    )
    kernel = client.create_kernel_manager()
    kernel.transport, kernel.ip = "ipc", f"{folder}/kernel"  # files as sockets: no port is open
    client.execute()
    for output in (each for cell in notebook.cells for each in cell.get("outputs", [])):
        if "image/png" in output.get("data", {}):
            output["data"]["image/png"] = smaller(output["data"]["image/png"])
    notebook.metadata["language_info"] = {"name": "python"}  # without the version of this Python
    for cell in notebook.cells:
        outputs = cell.get("outputs", [])
        for output in outputs:
            if output.get("name") == "stderr" and "Warning" in output.text:
                sys.exit(f"a cell warns:\n{cell.source}\n\n{output.text}")
            if PHOTOS in cell.metadata.get("tags", []):
                output.get("data", {}).pop("image/png", None)
        if outputs:  # what else goes to stderr is about the machine, such as a slow compiler
            cell.outputs = [output for output in outputs if output.get("name") != "stderr"]


def smaller(figure: str) -> str:
    """Returns a figure with at most 256 colors, which takes a third of the bytes."""
    file = io.BytesIO()
    opened = Image.open(io.BytesIO(base64.b64decode(figure))).convert("RGB")
    opened.quantize(256).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


if __name__ == "__main__":
    main()
