# SPDX-License-Identifier: Apache-2.0
"""Base of the tasks that train on photometric sequences: patches, lights, losses, validation on whole images.

A view is read once, and gives several patches. Each patch sees as many images as the step has drawn. For some, their
lights lie in a cone about the view axis whose width is drawn, too: sets of photographs differ in both.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from multishade.data.batches import Batch
from multishade.data.fields import FieldSpec
from multishade.data.settings import Data as DataSettings
from multishade.data.settings import Geometric
from multishade.errors import ModelError
from multishade.geometry.angles import angular_error_degrees
from multishade.imaging import display
from multishade.models.base import Inputs
from multishade.models.ps_fcn.model import StereoModel
from multishade.models.ps_fcn.settings import StereoSettings
from multishade.photometry.solvers import methods as solvers
from multishade.training.losses.stereo import staged_loss
from multishade.training.reflectance import Materials, shaded_images
from multishade.training.stereo_config import StereoConfig, StereoObjective
from multishade.training.task import Losses, Networks, Task
from multishade.training.validation import ValidationRow, angular_metrics, thinned

LEAST_OBJECT = 0.15  # share of a patch that should be object
TRIES = 4  # places that are drawn for a patch; the one with the most object is taken
VALIDATION_SEED, VALIDATION_LIGHTS = 0, 24  # of images that are made from the val shards' normals
BASELINE = "ols"  # the solver whose error is logged beside the network's


C = TypeVar("C", bound=StereoConfig)
M = TypeVar("M", bound=StereoModel[Any])


class StereoTask(Task[C, M], Generic[C, M]):
    """Photometric stereo. Derived tasks name their configuration and `model_type`."""

    model_type: ClassVar[type[StereoModel[Any]]]

    def __init__(self, config: C) -> None:
        super().__init__(config)
        stored = () if config.objective.shaded == 1 else (FieldSpec("images"),)
        self.fields = (*stored, FieldSpec("normal"), FieldSpec("mask"))

    def build(self) -> M:
        """Make the model, or load the one that the configuration starts from, which must be of the same settings."""
        options = self.config.model
        kind = self.model_type.settings_type
        settings = kind.model_validate(options.model_dump(include=set(kind.model_fields)))
        source = getattr(options, "pretrained", None)
        if source is None:
            return self.model_type(settings)  # type: ignore[return-value]
        loaded = self.model_type.from_pretrained(source)
        _require_same(source, loaded.settings, settings)
        return loaded  # type: ignore[return-value]

    def data(self, training: bool) -> DataSettings:
        """Return the loader's settings: windows for training, whole images for validation."""
        found = self.config.data.settings(self.config.objective.window, False, training)
        return found if training else found.model_copy(update={"geometric": Geometric()})

    def losses(
        self, model: M, networks: Networks, batch: Batch, optimizer: str, rng: torch.Generator
    ) -> Losses:
        options, size = self.config.objective, self.config.model.size
        patches = cut_patches(batch, options.patches, size, rng)
        mask, truth = patches["mask"], patches["normal"]
        images, directions = choose_images(patches, options, rng)
        seen = model.observe(images, mask)
        if options.noise:
            noise = torch.rand(seen.shape, generator=rng).sub_(0.5).mul_(options.noise)
            seen = seen + noise.to(seen) * mask.unsqueeze(1)
        outputs = networks["network"](seen, directions)
        parts = staged_loss(
            outputs, truth, mask, options.stages, options.angle, options.gradient, options.arc
        )
        per_sample = {name: value.view(-1, options.patches).mean(dim=1) for name, value in parts.items()}
        return Losses(per_sample.pop("total"), per_sample)

    def validate(self, model: M, batch: Batch, pictures: int) -> list[ValidationRow]:
        images, lights = whole_images(batch)
        made = model.predict(Inputs(images=images, directions=lights, mask=batch.mask)).normal
        assert made is not None
        rows = []
        for place, key in enumerate(batch.keys):
            normal, truth = (_last(each[place]) for each in (made, batch.normal))
            mask = batch.mask[place, 0].cpu().numpy() > 0.5
            photographs = np.moveaxis(images[place].cpu().numpy(), 1, 3)
            directions = lights[place].cpu().numpy().astype(np.float64)
            solved = solvers.solve(photographs, directions, mask, method=BASELINE)
            error = angular_error_degrees(normal, truth)
            plain = angular_error_degrees(solved.normal, truth)
            metrics = {
                **angular_metrics(error, mask),
                f"{BASELINE}_angle": angular_metrics(plain, mask)["mean_angle"],
            }
            panels: tuple[tuple[str, display.Picture], ...] = ()
            if place < pictures:
                frontal = photographs[int(np.argmax(directions[:, 2]))]
                panels = (
                    ("image", display.radiance_to_rgb(frontal, mask)),
                    ("normals", display.normal_to_rgb(normal, mask)),
                    ("true", display.normal_to_rgb(truth, mask)),
                    ("error", display.error_to_rgb(np.nan_to_num(error, nan=90.0), mask)),
                    (f"error of {BASELINE}", display.error_to_rgb(np.nan_to_num(plain, nan=90.0), mask)),
                )
            rows.append(ValidationRow(str(key), metrics, thinned(truth, mask), panels))
        return rows


def cut_patches(batch: Batch, count: int, size: int, rng: torch.Generator) -> dict[str, Tensor]:
    """Cut square patches out of each sample, where there is object.

    Args:
        batch: With images, normals and mask.
        count: Patches of each sample.
        size: Their pixels a side.
        rng: Chooses the places.

    Returns:
        normal (B count, 3, size, size), mask (B count, 1, size, size) and, if the batch has images, images
        (B count, K, 3, size, size) and directions (B count, K, 3); the patches of a sample follow each other.
    """
    height, width = batch.mask.shape[2:]
    planes = {"normal": batch.normal, "mask": batch.mask}
    if "images" in batch.fields:
        planes["images"] = batch.images
    shown = batch.mask.cpu()  # one copy, not one for each share
    found: dict[str, list[Tensor]] = {name: [] for name in planes}
    for sample in range(len(batch)):
        for _ in range(count):
            places = torch.rand(TRIES, 2, generator=rng)
            corners = [
                (int(y * (height - size + 1)), int(x * (width - size + 1))) for y, x in places.tolist()
            ]
            shares = [float(_cut(shown[sample], corner, size).mean()) for corner in corners]
            enough = [place for place, share in enumerate(shares) if share >= LEAST_OBJECT]
            corner = corners[enough[0] if enough else int(np.argmax(shares))]
            for name, values in planes.items():
                found[name].append(_cut(values[sample], corner, size))
    patches = {name: torch.stack(values) for name, values in found.items()}
    if "images" in planes:
        patches["directions"] = batch.light_directions.repeat_interleave(count, dim=0)
    return patches


def choose_images(
    patches: Mapping[str, Tensor], options: StereoObjective, rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Choose what the network sees of each patch: stored images, or images that are made from its normals.

    Args:
        patches: As of `cut_patches`.
        options: How many lights, and the share of made images.
        rng: Makes the choice.

    Returns:
        Images (N, k, 3, H, W), linear light, and the directions of their lights, (N, k, 3).
    """
    normal, mask = patches["normal"], patches["mask"]
    materials = Materials(options.metallic, options.matt, options.roughness)
    if "images" not in patches:
        fewest, most = options.lights
        count = int(torch.randint(fewest, most + 1, (1,), generator=rng))
        directions = random_lights(len(mask), count, options, rng).to(mask)
        return shaded_images(normal, mask, directions, rng, materials), directions
    images, directions = choose_lights(patches["images"], patches["directions"], options, rng)
    made = (torch.rand(len(mask), generator=rng) < options.shaded).nonzero()[:, 0].to(mask.device)
    if len(made):
        directions[made] = random_lights(len(made), directions.shape[1], options, rng).to(directions)
        images[made] = shaded_images(normal[made], mask[made], directions[made], rng, materials)
    return images, directions


def whole_images(batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the images (B, K, 3, H, W) and lights (B, K, 3) of a batch; made from its normals if it has none."""
    if "images" in batch.fields:
        return batch.images, batch.light_directions
    rng = torch.Generator().manual_seed(VALIDATION_SEED)
    directions = random_lights(len(batch), VALIDATION_LIGHTS, StereoObjective(cone=0), rng).to(batch.mask)
    return shaded_images(batch.normal, batch.mask, directions, rng), directions


def choose_lights(
    images: Tensor, directions: Tensor, options: StereoObjective, rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Choose as many images of each patch as are drawn for the step, some of them under lights of a cone.

    Args:
        images: (N, K, 3, H, W).
        directions: (N, K, 3).
        options: How many, and how wide the cone is.
        rng: Makes the choice.

    Returns:
        (N, k, 3, H, W) and (N, k, 3).
    """
    patches, available = images.shape[:2]
    fewest, most = (min(available, number) for number in options.lights)
    count = int(torch.randint(fewest, most + 1, (1,), generator=rng))
    low, high = options.cone_cosine
    order = torch.rand(patches, available, generator=rng)
    limit = low + (high - low) * torch.rand(patches, 1, generator=rng)
    narrow = torch.rand(patches, 1, generator=rng) < options.cone
    outside = (limit - directions[..., 2].cpu()).clamp_min(0)
    # Lights of the cone come first, in random order; then those that lie closest to it.
    rank = torch.where(narrow & (outside > 0), 1 + outside, order)
    chosen = rank.argsort(dim=1)[:, :count].to(images.device)
    patch = torch.arange(patches, device=images.device)[:, None]
    return images[patch, chosen], directions[patch, chosen]


def random_lights(patches: int, count: int, options: StereoObjective, rng: torch.Generator) -> Tensor:
    """Draw lights uniformly over the front hemisphere, or over a cone about the view axis, as `choose_lights` does.

    Returns:
        (patches, count, 3) unit vectors, camera frame.
    """
    low, high = options.cone_cosine
    limit = low + (high - low) * torch.rand(patches, 1, generator=rng)
    narrow = torch.rand(patches, 1, generator=rng) < options.cone
    least = torch.where(narrow, limit, 0.0)
    z = least + (1 - least) * torch.rand(patches, count, generator=rng)
    azimuth = 2 * torch.pi * torch.rand(patches, count, generator=rng)
    across = (1 - z.square()).sqrt()
    return torch.stack([across * azimuth.cos(), across * azimuth.sin(), z], dim=2)


def _cut(planes: Tensor, corner: tuple[int, int], size: int) -> Tensor:
    top, left = corner
    return planes[..., top : top + size, left : left + size]


def _last(planes: Tensor) -> Any:
    """(3, H, W) -> (H, W, 3)."""
    return np.moveaxis(planes.cpu().float().numpy(), 0, 2)


def _require_same(source: str, theirs: StereoSettings, ours: StereoSettings) -> None:
    for name, value in ours.model_dump(exclude={"size"}).items():
        found = getattr(theirs, name)
        if found != value:
            raise ModelError(
                f"{source}: has {name} = {found}, the configuration has {value}: set model.{name} to {found}, or start "
                "from another model"
            )
