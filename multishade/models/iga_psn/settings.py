# SPDX-License-Identifier: Apache-2.0
"""What an IGA-PSN is: how its branches meet, and how normals are regressed."""

from typing import Literal

from pydantic import Field

from multishade.models.ps_fcn.settings import StereoSettings


class IgaPsnSettings(StereoSettings):
    """Settings of IGA-PSN. The defaults are the paper's model, others rows of its ablation."""

    fusion: Literal["cross", "self", "none"] = Field(
        "cross",
        description="cross: each branch is gated by the attention of the other; self: by its own (CBAM); none: the two "
        "branches only",
    )
    regressor: Literal["hourglass", "plain"] = Field(
        "hourglass", description="hourglass: two stacked hourglasses after the preprocessing; plain: none"
    )
    base: Literal["none", "robust"] = Field(
        "none",
        description="what the outputs are added to. none: nothing (the paper); robust: the normals of a robust fit, "
        "which the regressor sees together with those of least squares and with how well they explain the images",
    )
    compress: float = Field(
        1.0,
        gt=0,
        le=1,
        description="exponent of the images as the extractors see them, with their sign. 1: as they are (the paper); "
        "below 1, what is beside a sharp highlight is seen, too",
    )
