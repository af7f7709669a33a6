"""A signal or a closed pipe ends a command with one line and the code that shells expect."""

import ast
import importlib
import inspect
import os
import signal
import subprocess
import sys
import time

import pytest

from jaxens.__main__ import COMMANDS, MODULES

RUN = "import time\nfrom jaxens.cli import parser, signals\nfrom jaxens.cli.console import say\n"
# Short sleeps: a signal that comes just before a long one would wait for its end.
SLEEP = "while True: time.sleep(0.02)"
WAIT = f"def command():\n    say('ready')\n    {SLEEP}\nparser.run(command)"
KEPT = f"""
def command():
    try:
        say('ready')
        {SLEEP}
    except KeyboardInterrupt as stop:
        stop.add_note('epoch 3 is kept')
        raise
parser.run(command)
"""


def started(*words, path=""):
    # Tests in the background of a shell ignore Ctrl-C, those under nohup a hangup, and children
    # inherit that.
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    try:
        return subprocess.Popen(
            [sys.executable, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join([str(path), *filter(None, sys.path)])},
        )
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ended(process, number):
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (signal.SIGINT, "stopped"),
        (signal.SIGTERM, "stopped by SIGTERM"),
        (signal.SIGHUP, "stopped by SIGHUP"),
    ],
)
def test_a_signal_ends_a_command_with_one_line_that_says_what_is_kept(number, words):
    line = f"jaxens: {words}; epoch 3 is kept\n"
    assert ended(started("-c", RUN + KEPT), number) == (128 + number, line)


COMPILE = """
def command():
    import jax, jax.numpy as jnp
    signals.work_begins()
    def f(x):
        for _ in range(4000):
            x = jnp.sin(x @ x)
        return x
    program = jax.jit(f).lower(jnp.ones((8, 8)))
    say('ready')
    program.compile()
parser.run(command)
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_a_program_is_compiled_is_one_line(number):
    """JAX goes on compiling in a thread, which must not lose what it works with."""
    process = started("-c", RUN + COMPILE)
    assert process.stdout.readline() == "ready\n"
    time.sleep(1)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    word = "stopped" if number == signal.SIGINT else "stopped by SIGTERM"
    assert (process.returncode, errors) == (128 + number, f"jaxens: {word}\n")


STUCK = """
import hashlib, signal
def command():
    signals.PATIENCE = 1
    say('ready')
    hashlib.pbkdf2_hmac('sha256', b'', b'', 2 * 10**9)  # no handler runs before its end
parser.run(command)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_compiled_code_that_goes_on(number):
    """As JAX 0.12 does while it compiles."""
    word = "stopped" if number == signal.SIGINT else "stopped by SIGTERM"
    assert ended(started("-c", RUN + STUCK), number) == (128 + number, f"jaxens: {word}\n")


def test_a_signal_that_is_noted_alone_waits_for_compiled_code():
    noted = "signal.signal(signal.SIGTERM, lambda *_: None)\n    say('ready')"
    code = STUCK.replace("say('ready')", noted).replace("2 * 10**9", "3 * 10**6")
    assert ended(started("-c", RUN + code), signal.SIGTERM) == (0, "")


HUNG = """
import os, tempfile
from jaxens.runs.stops import Stops, deferred
def command():
    signals.PATIENCE = signals.AGAIN = 0.2
    pipe = tempfile.mkdtemp() + '/pipe'
    os.mkfifo(pipe)
    with BLOCK:
        say('ready')
        open(pipe)  # as a file of a share that is gone
parser.run(command)
"""


@pytest.mark.parametrize("block", ["Stops()", "deferred()"])
def test_a_signal_ends_a_command_that_can_not_save(block, monkeypatch):
    monkeypatch.setenv("JAXENS_GRACE", "1")
    line = "stopped by SIGTERM, but was not done after 1 s: what was saved is kept"
    process = started("-c", RUN + HUNG.replace("BLOCK", block))
    assert ended(process, signal.SIGTERM) == (143, f"jaxens: {line}\n")


OTHERS = f"""
import threading
def command():
    threading.Timer(0.1, signals.stop, (15,)).start()
    {SLEEP}
parser.run(command)
"""


def test_a_thread_stops_a_command_as_a_signal_does():
    """It has heard that another process of the job has stopped."""
    process = started("-c", RUN + OTHERS)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (143, "jaxens: stopped by SIGTERM\n")


def test_a_short_grace_ends_compiled_code_too(monkeypatch):
    monkeypatch.setenv("JAXENS_GRACE", "1")
    code = STUCK.replace("PATIENCE = 1", "PATIENCE = 900")
    line = "jaxens: stopped by SIGTERM\n"
    assert ended(started("-c", RUN + code), signal.SIGTERM) == (143, line)


def test_a_second_ctrl_c_ends_a_command_that_can_not_save():
    process = started("-c", RUN + HUNG.replace("BLOCK", "deferred()"))
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    line = "jaxens: stopped again: what was saved is kept\n"
    assert (process.returncode, errors) == (130, line)


SAVED = f"""
def command():
    try:
        print('ready', flush=True)
        {SLEEP}
    except KeyboardInterrupt as stop:
        print('saving', flush=True)
        time.sleep(0.5)
        raise
parser.run(command)
"""


def test_a_signal_that_is_sent_twice_does_not_cut_off_what_is_saved():
    process = started("-c", RUN + SAVED)
    for line in ("ready\n", "saving\n"):
        assert process.stdout.readline() == line
        process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (143, "jaxens: stopped by SIGTERM\n")


COLLECTED = f"""
import gc
calls = []
def callback(phase, info):
    calls.append(phase)
    if len(calls) == 1:
        say('ready')
        time.sleep(1)
def command():
    gc.callbacks.append(callback)
    gc.collect()
    {SLEEP}
parser.run(command)
"""


def test_a_signal_whose_exception_python_drops_is_handled_again():
    """As in callbacks of the garbage collector, of which JAX has one."""
    line = "jaxens: stopped by SIGTERM\n"
    assert ended(started("-c", RUN + COLLECTED), signal.SIGTERM) == (143, line)


AFTER = """
import signal
signals.PATIENCE = signals.GRACE = 0.1
parser.run(lambda: say('ready'))
signal.signal(signal.SIGTERM, lambda *_: None)
time.sleep(2)
"""


def test_after_a_command_a_program_has_its_signals_to_itself():
    process = started("-c", RUN + AFTER)
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    assert (process.communicate(timeout=60)[1], process.returncode) == ("", 0)


def test_an_ignored_hangup_stays_ignored():
    """As nohup wants it."""
    ignore = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    process = started("-c", ignore + RUN + WAIT)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=60)[1] == "jaxens: stopped by SIGTERM\n"


@pytest.mark.parametrize("words", [["-m", "jaxens.train"], ["-m", "jaxens", "train"]])
def test_ctrl_c_while_a_command_imports_is_one_line(words, tmp_path):
    slow = f"import time\nprint('ready', flush=True)\n{SLEEP}\n"
    (tmp_path / "cyclopts.py").write_text(slow)
    assert ended(started(*words, path=tmp_path), signal.SIGINT) == (130, "jaxens: stopped\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_import_in_mid_work_is_interrupted_like_other_work(number, tmp_path):
    (tmp_path / "slow.py").write_text(f"import time\nprint('ready', flush=True)\n{SLEEP}\n")
    late = KEPT.replace("say('ready')", "signals.work_begins()").replace(SLEEP, "import slow")
    code, errors = ended(started("-c", RUN + late, path=tmp_path), number)
    assert code == 128 + number
    assert errors.startswith("jaxens: stopped")
    assert errors.endswith("; epoch 3 is kept\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_when_its_work_begins(name):
    """After its own imports, and before it does anything."""
    module = importlib.import_module(MODULES.get(name, f"jaxens.{name}"))
    tree = ast.parse(inspect.getsource(module))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    begins = [f for f in functions if "signals.work_begins()" in ast.unparse(f)]
    assert len(begins) == (3 if name == "data" else 1)
    for function in begins:
        lines = [ast.unparse(line) for line in function.body]
        place = lines.index("signals.work_begins()")
        assert lines[place - 1].startswith("from ")
        assert not any(line.startswith(("from ", "import ")) for line in lines[place:])


def test_importing_the_library_changes_no_signal_handler():
    code = "import signal; import jaxens, jaxens.runs, jaxens.train; print('ready', flush=True)\n"
    code += "assert signal.getsignal(signal.SIGINT) is signal.default_int_handler"
    process = started("-c", code)
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_a_command_whose_output_is_closed_ends_with_a_word():
    endless = "def command():\n    while True:\n        say('ready')\nparser.run(command)"
    process = started("-c", RUN + endless)
    assert process.stdout.readline() == "ready\n"
    process.stdout.close()
    errors = process.stderr.read()
    assert errors == "jaxens: stopped, because its output is no longer read\n"
    assert process.wait(timeout=60) == 128 + signal.SIGPIPE
    process.stderr.close()


def test_other_peoples_programs_keep_their_handlers(tmp_path):
    package = tmp_path / "stranger"
    package.mkdir()
    (package / "train.py").write_text(
        "from signal import SIGINT, SIGTERM, getsignal\n"
        "print(getsignal(SIGTERM), getsignal(SIGINT))\n"
    )
    command = [sys.executable, "-m", "stranger.train", "jaxens"]
    printed = []
    for own_import in ("", "import jaxens\n"):
        (package / "__init__.py").write_text(own_import)
        run = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
        printed.append(run.stdout)
    assert printed[0] == printed[1] != ""


def test_what_another_hook_hides_stays_hidden_when_signals_are_handled_later():
    """The reads that Orbax gives up, say."""
    script = (
        "import sys\n"
        "sys.unraisablehook = lambda lost: print('seen', lost.exc_value)\n"
        "from jaxens.cli import signals\n"
        "sys.unraisablehook = lambda lost: print('later', lost.exc_value)\n"
        "signals.handle()\n"
        "class Raises:\n"
        "    def __del__(self): raise ValueError('x')\n"
        "Raises()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert (done.stdout, done.stderr) == ("later x\n", "")
