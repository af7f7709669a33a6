"""The trained ensemble: its logits, maps and predictions."""

from jaxens.ensemble.ensemble import Ensemble
from jaxens.ensemble.predictions import mean_probabilities

__all__ = ["Ensemble", "mean_probabilities"]
