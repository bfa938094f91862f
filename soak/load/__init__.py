"""The load: shapes, engine, protocols, hostile clients; knows neither probes nor the store."""

from soak.load.generator import LoadGenerator
from soak.load.histogram import Histogram, merged
from soak.load.plan import LoadPlan, ScenarioPlan
from soak.load.shapes import Shape
from soak.load.support import SUPPORTED_KINDS, SUPPORTED_PROFILES
from soak.load.tally import LoadDelta

__all__ = [
    "SUPPORTED_KINDS",
    "SUPPORTED_PROFILES",
    "Histogram",
    "LoadDelta",
    "LoadGenerator",
    "LoadPlan",
    "ScenarioPlan",
    "Shape",
    "merged",
]
