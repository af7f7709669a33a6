"""Which room may import which; what importing the library loads; how long commands are."""

import ast
import graphlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import jaxens
from jaxens.__main__ import COMMANDS as NAMES
from jaxens.__main__ import MODULES

ROOT = Path(jaxens.__file__).parent
CONTRIBUTING = Path(__file__).parents[1] / "CONTRIBUTING.md"
GROUND = {
    "arrays",
    "chunks",
    "divergence",
    "errors",
    "files",
    "names",
    "platforms",
    "sharding",
    "tables",
    "targets",
    "untrusted",
    "urls",
}  # files at the top that every room may import


def rooms() -> dict[str, set[str]]:
    """Which rooms each room may import: the table of CONTRIBUTING.md."""
    rows = re.findall(r"^\| `(\w+)/` \|.*\| (.+) \|$", CONTRIBUTING.read_text(), re.MULTILINE)
    return {room: set(re.findall(r"`(\w+)`", may)) for room, may in rows if may != "anything"}


MAY_IMPORT = rooms()
COMMANDS = [
    MODULES.get(name, f"jaxens.{name}").removeprefix("jaxens.").replace(".", "/") for name in NAMES
]


def modules(folder):
    for file in sorted(folder.rglob("*.py")):
        if file.name != "__main__.py":  # a command
            yield file, ".".join(("jaxens", *file.relative_to(ROOT).with_suffix("").parts))


def imports(file, types=False):
    """What a file imports; what it imports for types alone only with `types`."""
    tree = ast.parse(file.read_text())
    hidden = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if id(node) in hidden and not types:
            continue
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_the_rooms_that_it_may_know(room):
    allowed = MAY_IMPORT[room] | GROUND | {room}
    files = list(modules(ROOT / room))
    assert files
    for file, _ in files:
        for name in imports(file):
            if name.startswith("jaxens."):
                assert name.split(".")[1] in allowed, (file, name)


def test_every_folder_is_a_room_with_a_rule():
    folders = {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()}
    assert folders - set(MAY_IMPORT) == {"cli", "benchmarks"}


def test_nothing_imports_a_command():
    commands = {f"jaxens.{name.replace('/', '.')}" for name in COMMANDS}
    for file in ROOT.rglob("*.py"):
        assert not commands & set(imports(file)), file


def test_no_file_imports_itself_through_others():
    known = {name.removesuffix(".__init__"): file for file, name in modules(ROOT)}
    graph = {
        name: {
            other
            for other in imports(file, types=True)
            # A package's __init__ hands on the names of its files.
            if other in known and other != name and not name.startswith(f"{other}.")
        }
        for name, file in known.items()
    }
    graphlib.TopologicalSorter(graph).prepare()  # an error names the circle


def test_no_room_may_import_itself_through_others():
    graphlib.TopologicalSorter(MAY_IMPORT).prepare()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_stays_short(command):
    assert len((ROOT / f"{command}.py").read_text().splitlines()) < 150


HEAVY = ["flax", "grain", "orbax", "tensorflow_datasets"]


def loaded(code, modules):
    """Runs code in a fresh interpreter: the text that it prints, and which modules it loads."""
    code += f"\nimport sys\nprint('loaded', [n for n in {modules!r} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    printed, names = done.stdout.rsplit("loaded ", 1)
    return printed, ast.literal_eval(names)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("jaxens", ["jax", "matplotlib", *HEAVY]),
        ("jaxens.attribution", ["matplotlib", *HEAVY]),
        ("jaxens.metrics", ["matplotlib", *HEAVY]),
        ("jaxens.viz", HEAVY),
    ],
)
def test_importing_loads_nothing_heavy(module, absent):
    assert loaded(f"import {module}", absent) == ("", [])


@pytest.mark.parametrize(
    "command",
    [
        "train",
        "plan",
        "evaluate",
        "explain",
        "annotate",
        "report",
        "export",
        "reproduce",
        "bench",
        "bench train",
        "data",
    ]
    + [f"data {action}" for action in ("browse", "describe", "prepare")],
)
def test_the_help_of_a_command_loads_nothing_heavy(command):
    """Each of these takes tenths of a second or more, and the help needs none of them."""
    absent = ["jax", "numpy", "scipy", "matplotlib", "PIL", "optax", "torch", *HEAVY]
    words = [*command.split(), "--help"]
    code = f"from jaxens.__main__ import main\ntry:\n    main({words!r})\nexcept SystemExit: pass"
    printed, names = loaded(code, absent)
    assert printed.startswith("Usage: ")
    assert names == []
