# SPDX-License-Identifier: Apache-2.0
"""What a method of an evaluation is: one object of a benchmark in, predicted normal maps out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from multishade.evaluation.objects import BenchmarkObject, Float32

ALL = "all"


@dataclass(frozen=True)
class PredictedNormals:
    """One normal map for one object.

    Attributes:
        image: Name of the photograph that it was predicted from, or "all" for photometric stereo.
        normal: (H, W, 3) float32, camera frame; the zero vector means "no normal here".
    """

    image: str
    normal: Float32


Method = Callable[[BenchmarkObject], Iterator[PredictedNormals]]
