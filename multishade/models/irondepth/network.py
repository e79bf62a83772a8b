# SPDX-License-Identifier: Apache-2.0
"""The networks of IronDepth: initial depth, recurrent refinement on a coarse grid, normal-guided upsampling.

The paper's D-Net (encoder, decoder, three heads), ConvGRU, Pr-Net (which of 5 x 5 neighbours to take depth from) and
Up-Net (which of 3 x 3 cells). All geometry is in float32, whatever the precision of the convolutions.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from multishade.models.irondepth.encoders import build_encoder
from multishade.models.irondepth.propagation import (
    carried,
    cell_means,
    cell_relief,
    enlarged,
    neighbours,
    plane_normals,
    slopes,
)
from multishade.models.irondepth.settings import IronDepthSettings
from multishade.models.rose.backbone import DecoderLevel

SIDE, UP_SIDE = 5, 3  # neighbourhoods of the refinement and of the upsampling
GROUPS = 8
EXCLUDED = -1e4  # logit of a neighbour off the object


@dataclass(frozen=True, eq=False)
class Scene:
    """What is known of a batch, float32.

    Attributes:
        image: (B, 3, H, W) display-encoded, 0 to 1; H and W are multiples of 32.
        mask: (B, 1, H, W), 1 on the object and 0 elsewhere.
        normal: (B, 3, H, W) unit vectors, camera frame; 0 off the mask.
        confidence: (B, 1, H, W), 0 to 1.
        coordinates: (B, 2, H, W) of `pixel_coordinates`.
        q: (B, 1, 1, 1), the width of the image over its focal length; 0 for an orthographic camera.
        initial: (B, 1, H, W) relief to refine in place of the network's own; None, or samples of NaN: its own.
        anchors: (B, 1, H, W) known relief; NaN where none is known. None: nowhere.
    """

    image: Tensor
    mask: Tensor
    normal: Tensor
    confidence: Tensor
    coordinates: Tensor
    q: Tensor
    initial: Tensor | None = None
    anchors: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Grid:
    """The coarse grid of a scene, and how relief changes between its cells and to the pixels.

    Attributes:
        mask: (B, 1, h, w), 1 for cells with object.
        share: (B, 1, h, w) how much of a cell is object.
        known: (B, 6, h, w) what the recurrent cell sees of them: confidence, normal, mask, whether anchored.
        slopes: (B, 25, h, w) between cells. up_slopes: (B, 9, H, W) from cells to pixels.
        closed, up_closed: (B, 25, h, w), (B, 9, h, w) bool, neighbours off the object.
        anchors: (B, 1, h, w) known relief, NaN where none is known; None: nowhere.
    """

    mask: Tensor
    share: Tensor
    known: Tensor
    slopes: Tensor
    up_slopes: Tensor
    closed: Tensor
    up_closed: Tensor
    anchors: Tensor | None


def build_grid(scene: Scene, stride: int, both: bool) -> Grid:
    """Compute the coarse grid of a scene.

    A cell stands at the mean coordinates of the object's pixels in it, with their mean normal.

    Args:
        scene: The batch.
        stride: Pixels a side of a cell.
        both: As `plane_normals`.
    """
    mask = (functional.max_pool2d(scene.mask, stride) > 0).float()
    normal = functional.normalize(cell_means(scene.normal, scene.mask, stride), dim=1)
    place = cell_means(scene.coordinates, scene.mask, stride)
    confidence = cell_means(scene.confidence, scene.mask, stride)
    q = scene.q[..., None]
    near = neighbours(torch.cat([normal, place, mask], dim=1), SIDE)
    planes = plane_normals(near[:, :3], normal[:, :, None], both)
    between = slopes(planes, near[:, 3:5], place[:, :, None], q)
    middle = SIDE * SIDE // 2
    closed = near[:, 5] < 0.5
    closed[:, middle] = False  # a cell off the object keeps its own relief
    up = neighbours(torch.cat([normal, place, mask], dim=1), UP_SIDE)
    large = enlarged(up, stride)
    up_planes = plane_normals(large[:, :3], scene.normal[:, :, None], both)
    up_slopes = slopes(up_planes, large[:, 3:5], scene.coordinates[:, :, None], q)
    up_closed = up[:, 5] < 0.5
    up_closed[:, UP_SIDE * UP_SIDE // 2] = False
    anchors = None
    anchored = torch.zeros_like(mask)
    if scene.anchors is not None:
        given = torch.isfinite(scene.anchors).float()
        own = plane_normals(scene.normal[:, :, None], enlarged(normal, stride)[:, :, None], both)[:, :, 0]
        step = slopes(own, scene.coordinates, enlarged(place, stride), scene.q)[:, None]
        moved = carried(torch.nan_to_num(scene.anchors), step, scene.q)
        anchored = (functional.max_pool2d(given, stride) > 0).float()
        anchors = torch.where(anchored > 0, cell_means(moved, given, stride), torch.nan)
    known = torch.cat([confidence, normal, mask, anchored], dim=1)
    # A plane through the zero normal of an excluded cell has no meaning, and must not become one in the weighted sum.
    return Grid(
        mask,
        functional.avg_pool2d(scene.mask, stride),
        known,
        between.masked_fill(closed, 0),
        up_slopes * (scene.mask > 0) * ~enlarged(up_closed, stride),
        closed,
        up_closed,
        anchors,
    )


class ConvGRU(nn.Module):
    """A gated recurrent unit of 5 x 5 convolutions (Ballas et al. 2016; as in RAFT)."""

    def __init__(self, hidden: int, inside: int) -> None:
        super().__init__()
        self.gates = nn.Conv2d(hidden + inside, 2 * hidden, 5, padding=2)
        self.proposal = nn.Conv2d(hidden + inside, hidden, 5, padding=2)

    def forward(self, hidden: Tensor, seen: Tensor) -> Tensor:
        update, reset = torch.sigmoid(self.gates(torch.cat([hidden, seen], dim=1))).chunk(2, dim=1)
        proposed = torch.tanh(self.proposal(torch.cat([reset * hidden, seen], dim=1)))
        return (1 - update) * hidden + update * proposed


class IronDepthNetwork(nn.Module):
    """The network.

    Args:
        settings: What it is.
    """

    def __init__(self, settings: IronDepthSettings) -> None:
        super().__init__()
        self.stride, self.both = settings.stride, settings.plane == "both"
        self.encoder = build_encoder(settings.encoder)
        *skips, before = self.encoder.channels
        levels = []
        for width, skip in zip(settings.decoder, reversed(skips), strict=False):
            levels.append(DecoderLevel(before, skip, width, GROUPS))
            before = width
        self.decoder = nn.ModuleList(levels)
        self.depth = _head(before, 1)
        self.feature = _head(before, settings.features)
        self.state = _head(before, settings.hidden)
        known = 7  # relief, confidence, normal, mask, anchored
        self.gru = ConvGRU(settings.hidden, settings.features + known)
        self.choose = _head(settings.hidden, SIDE * SIDE)
        self.choose_up = _head(settings.hidden, UP_SIDE * UP_SIDE * settings.stride**2)

    def forward(self, scene: Scene, iterations: int, warm: int = 0) -> list[Tensor]:
        """Predict and refine.

        Args:
            scene: The batch.
            iterations: Of the refinement.
            warm: Iterations before those, without gradient and without a relief in the answer.

        Returns:
            iterations + 1 reliefs (B, 1, H, W), float32: the initial one and each refined one, upsampled; of no meaning
            off the mask. No gradient flows from one to the depth of the one before.
        """
        grid = build_grid(scene, self.stride, self.both)
        kind = next(self.parameters()).dtype
        features = self.encoder(scene.image.to(kind))
        decoded = features.pop()
        for level in self.decoder:
            decoded = level(decoded, features.pop())
        feature, hidden = functional.relu(self.feature(decoded)), torch.tanh(self.state(decoded))
        relief = self.depth(decoded).float()
        if scene.initial is not None:
            given = cell_relief(scene.initial, scene.mask, self.stride, scene.q)
            relief = torch.where(torch.isfinite(given), given, relief)
        relief = _fixed(relief, grid, scene.q)
        found = [self._upsampled(relief, hidden, grid, scene)]
        if warm:
            with torch.no_grad():
                for _ in range(warm):
                    relief, hidden = self._refined(relief, hidden, feature, grid, scene.q)
        for _ in range(iterations):
            relief, hidden = self._refined(relief.detach(), hidden, feature, grid, scene.q)
            found.append(self._upsampled(relief, hidden, grid, scene))
        return found

    def _refined(
        self, relief: Tensor, hidden: Tensor, feature: Tensor, grid: Grid, q: Tensor
    ) -> tuple[Tensor, Tensor]:
        """One iteration: relief of the cells and the state, before -> after."""
        seen = torch.cat([relief, grid.known], dim=1).to(next(self.parameters()).dtype)
        hidden = self.gru(hidden, torch.cat([seen, feature], dim=1))
        candidates = carried(neighbours(relief, SIDE)[:, 0], grid.slopes, q)
        weights = self.choose(hidden).float().masked_fill(grid.closed, EXCLUDED).softmax(dim=1)
        return _fixed((weights * candidates).sum(dim=1, keepdim=True), grid, q), hidden

    def _upsampled(self, relief: Tensor, hidden: Tensor, grid: Grid, scene: Scene) -> Tensor:
        near = enlarged(neighbours(relief, UP_SIDE)[:, 0], self.stride)
        logits = functional.pixel_shuffle(self.choose_up(hidden).float(), self.stride)
        weights = logits.masked_fill(enlarged(grid.up_closed, self.stride), EXCLUDED).softmax(dim=1)
        fine = (weights * carried(near, grid.up_slopes, scene.q)).sum(dim=1, keepdim=True)
        if scene.anchors is not None:
            fine = torch.where(torch.isfinite(scene.anchors), scene.anchors, fine)
        return fine


def _fixed(relief: Tensor, grid: Grid, q: Tensor) -> Tensor:
    """Relief with the anchored cells as they are known; of samples without such cells, with the mean 0 that it has by
    its definition: propagation along normals that fit no surface would let it drift.
    """
    total = grid.share.sum(dim=(2, 3), keepdim=True).clamp_min(1e-6)
    mean = (relief * grid.share).sum(dim=(2, 3), keepdim=True) / total
    centred = (relief - mean) / (1 + q * mean)
    if grid.anchors is None:
        return centred
    fixed = torch.isfinite(grid.anchors)
    free = torch.where(fixed.any(dim=3, keepdim=True).any(dim=2, keepdim=True), relief, centred)
    return torch.where(fixed, grid.anchors, free)


def _head(inside: int, outside: int) -> nn.Sequential:
    width = max(64, inside)
    return nn.Sequential(
        nn.Conv2d(inside, width, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(width, outside, 1)
    )
