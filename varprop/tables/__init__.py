"""What is shown: records as lines, tables, JSON and dataframes, for people and programs; one file a kind of record.

Of audits: tables/audit.py, which nothing else loads, so that the rest starts sooner.
"""

from ..exported import plain
from .comparisons import comparison_columns, comparison_json, comparison_parts, verdict
from .fixed import (
    critical_parts,
    fixed_point_parts,
    no_edge,
    no_edge_of_homogeneous,
    no_edge_of_zero,
    no_edge_without_slope,
)
from .gains import gains_columns, gains_parts, torch_note
from .grams import cosines_of, gram_columns, gram_json, grams_parts, kernel_parts, signal_names
from .laws import law_columns, law_json, law_parts
from .numbers import estimate, known, number
from .phases import phase_diagram_text
from .records import column, record_columns, record_json, record_parts
from .text import Tabular, text
from .tunings import tuning_columns, tuning_parts
from .weights import weight_law_parts

__all__ = [
    "Tabular",
    "column",
    "comparison_columns",
    "comparison_json",
    "comparison_parts",
    "cosines_of",
    "critical_parts",
    "estimate",
    "fixed_point_parts",
    "gains_columns",
    "gains_parts",
    "gram_columns",
    "gram_json",
    "grams_parts",
    "kernel_parts",
    "known",
    "law_columns",
    "law_json",
    "law_parts",
    "no_edge",
    "no_edge_of_homogeneous",
    "no_edge_of_zero",
    "no_edge_without_slope",
    "number",
    "phase_diagram_text",
    "plain",
    "record_columns",
    "record_json",
    "record_parts",
    "signal_names",
    "text",
    "torch_note",
    "tuning_columns",
    "tuning_parts",
    "verdict",
    "weight_law_parts",
]
