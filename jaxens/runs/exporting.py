"""Exports the ensemble of a run: one member or all, with a model card."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import jax

from jaxens.ensemble.ensemble import Ensemble
from jaxens.errors import UserError
from jaxens.files import partial_path, write_text
from jaxens.runs import exported
from jaxens.runs.card import card
from jaxens.runs.loading import best_ensemble
from jaxens.runs.mirror import local_run
from jaxens.runs.origin import Origin
from jaxens.runs.run import Run


def export(run: str | os.PathLike[str], out: Path, member: int | None = None) -> Ensemble:
    """Writes the ensemble of a run, from its best checkpoint, into a folder.

    `jaxens.load(out)` reads it again, with the same logits. The folder holds
    `ensemble.safetensors`, `ensemble.json` and a model card, `README.md`.

    Args:
        run: A run directory, or the URL of one.
        out: A folder that is empty or does not exist.
        member: Index of the one member to export, from 0; None exports all, with the baseline.

    Returns:
        What was exported.

    Raises:
        UserError: If there is no such run or member, or the folder is not empty.
    """
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise UserError(f"`out` {out} exists: name a folder that is empty or does not exist")
    opened = Run.open(local_run(run))
    try:
        ensemble = best_ensemble(opened)
    finally:
        opened.close()
    if member is not None:
        ensemble = _one_member(ensemble, member)
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = partial_path(out)
    temporary.mkdir()
    try:
        exported.write(temporary, ensemble, opened.config.model, Origin.of_run(opened))
        write_text(temporary / "README.md", card(opened, ensemble, member))
        temporary.replace(out)  # all files appear at once
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return ensemble


def _one_member(ensemble: Ensemble, member: int) -> Ensemble:
    """Returns one member as an ensemble of its own, without the baseline.

    Raises:
        UserError: If there is no such member.
    """
    if not 0 <= member < ensemble.members:
        raise UserError(f"`member` {member}: the run has members 0 to {ensemble.members - 1}")
    variables = jax.tree.map(lambda leaf: leaf[member : member + 1], ensemble.variables)
    steps = ensemble.diverged_at[member : member + 1]
    return replace(ensemble, variables=variables, baseline=None, diverged_at=steps)
