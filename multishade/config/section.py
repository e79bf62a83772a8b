# SPDX-License-Identifier: Apache-2.0
"""The base of every section of settings, and the types that settings have in common: ranges and probabilities."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


class Section(BaseModel):
    """Settings that are frozen and refuse unknown keys: a misspelt setting is an error, not a default."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _ascending(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] > value[1]:
        raise ValueError(f"a range is [low, high], but {value[0]} > {value[1]}")
    return value


Range = Annotated[tuple[float, float], AfterValidator(_ascending)]
PositiveRange = Annotated[
    tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]], AfterValidator(_ascending)
]
Probability = Annotated[float, Field(ge=0, le=1)]
