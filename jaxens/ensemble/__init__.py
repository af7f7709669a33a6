"""Ensembles as stacked parameter trees: how they are made, trained and asked."""

from jaxens.ensemble.ensemble import Ensemble, mean_probabilities
from jaxens.ensemble.plan import Plan
from jaxens.ensemble.state import State
from jaxens.ensemble.step import normalized

__all__ = ["Ensemble", "Plan", "State", "mean_probabilities", "normalized"]
