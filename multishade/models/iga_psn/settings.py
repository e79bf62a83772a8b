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
