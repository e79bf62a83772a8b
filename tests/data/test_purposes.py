# SPDX-License-Identifier: Apache-2.0
"""No two uses of randomness share a stream."""

import itertools
import re
from pathlib import Path

import numpy as np

import multishade.data
from multishade.data.purposes import Purpose


def test_no_two_purposes_share_a_number_or_a_stream() -> None:
    assert len({int(purpose) for purpose in Purpose.__members__.values()}) == len(Purpose.__members__)
    first = {
        name: np.random.default_rng((1, 0, 5, value)).random() for name, value in Purpose.__members__.items()
    }
    for one, other in itertools.combinations(first, 2):
        assert first[one] != first[other], f"{one} and {other} draw the same numbers"


def test_every_generator_of_the_package_names_its_purpose() -> None:
    for path in Path(multishade.data.__path__[0]).glob("*.py"):
        for seeds in re.findall(r"default_rng\((.*)\)", path.read_text()):
            assert "purpose" in seeds.lower() or path.name == "purposes.py", f"{path.name}: {seeds}"
