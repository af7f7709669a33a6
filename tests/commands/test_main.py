"""`jaxens COMMAND` calls the command; an unknown one ends as one line with a near miss."""

import subprocess
import sys

import pytest

import jaxens
from jaxens.__main__ import COMMANDS, MODULES, main


def test_an_unknown_command_ends_as_one_line_with_a_near_miss(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["trian"])
    assert caught.value.code == 2
    message = capsys.readouterr().err
    assert message == "jaxens: error: there is no command trian: did you mean train?\n"


def test_without_a_near_miss_the_commands_are_named(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["xyz"])
    assert caught.value.code == 2
    assert capsys.readouterr().err.endswith(f"choose from {', '.join(COMMANDS)}\n")


@pytest.mark.parametrize("words", [[], ["-h"], ["--help"]])
def test_help_lists_the_commands_and_what_they_are_for(words, capsys):
    main(words)
    printed = capsys.readouterr().out
    for name, purpose in COMMANDS.items():
        assert any(line.split(maxsplit=1) == [name, purpose] for line in printed.splitlines())


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in MODULES])
def test_a_command_shows_its_own_help(name, capsys):
    main([name, "--help"])
    printed = capsys.readouterr().out
    assert printed.startswith(f"Usage: python -m jaxens.{name} ")


def test_words_after_the_command_are_its_flags(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["train", "--members", "0"])
    assert caught.value.code == 2
    assert capsys.readouterr().err == "jaxens: error: --members must be at least 1, not 0\n"


@pytest.mark.parametrize("command", ["evaluate", "explain", "annotate"])
def test_a_file_as_out_is_refused_before_anything_is_opened(command, tmp_path, capsys):
    file = tmp_path / "file"
    file.write_text("kept")
    for out, what in ((file, "it"), (file / "below", file)):
        with pytest.raises(SystemExit):
            main([command, str(tmp_path / "absent"), "--out", str(out)])
        message = f"jaxens: error: --out {out}: {what} is a file: choose another folder\n"
        assert capsys.readouterr().err == message
    assert file.read_text() == "kept"


def test_the_version_is_that_of_the_package(capsys):
    main(["--version"])
    assert capsys.readouterr().out == f"jaxens {jaxens.__version__}\n"


def test_python_m_jaxens_is_the_same_program():
    words = [sys.executable, "-m", "jaxens", "evalute"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "jaxens: error: there is no command evalute: did you mean evaluate?\n"


@pytest.mark.slow
def test_every_command_shows_its_help_without_docstrings():
    """`python -OO` removes them."""
    code = "from jaxens.__main__ import COMMANDS, main"
    code += "\nfor words in (*([name] for name in COMMANDS), ['bench', 'lime']):"
    words = [sys.executable, "-OO", "-c", f"{code} main([*words, '--help'])"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("Usage: ") == len(COMMANDS) + 1
    assert "Lime(" not in done.stdout
