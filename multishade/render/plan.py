# SPDX-License-Identifier: Apache-2.0
"""A config and its manifests -> the content of each shard: groups of one object in one material, with several views.

Every random choice derives from the data set's seed and the place (shard, group, view) alone, so that any sample can be
rendered again on its own, in any order, by any worker.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multishade.assets.schema import EnvironmentRow, MaterialRow, ObjectRow, family_and_seed
from multishade.config import Config, fingerprint_fields, models, override_config
from multishade.errors import ConfigError, ShardError
from multishade.procedural import materials
from multishade.protocol import scene
from multishade.render import sampling
from multishade.render.quarantine import Quarantined, read_quarantine
from multishade.render.sources import Assets, read_assets
from multishade.shards.keys import SampleKey, format_group_key
from multishade.shards.layout import QUARANTINE_NAME
from multishade.shards.record import DatasetRecord, read_dataset
from multishade.storage.store import FolderPlace

# The first element of a spawn key is what is sampled; the others are the place it is sampled for.
ORDER, GROUP, VIEW, RESERVE = 0, 1, 2, 3
MATERIAL_KINDS = ("own", "metallic", "non-metallic")


@dataclasses.dataclass(frozen=True)
class PlannedGroup:
    """One object in one material, and its views.

    Attributes:
        key: Such as s000000-g0001.
        shard: Number of its shard.
        number: Its number in the shard.
        object: Row of the object's manifest.
        material: Row of the material's manifest; None: the object keeps its own.
        material_spec: Input of `blender_scripts.materials`.
        rotation: Of the object, before it is viewed.
        views: One for each sample.
        environments: The rows that the views' environments are from.
        beside_files: Whether the data set has objects in files, whose sha256 is a text in every sample's meta.
    """

    key: str
    shard: int
    number: int
    object: ObjectRow
    material: MaterialRow | None
    material_spec: dict[str, Any]
    rotation: scene.Matrix3
    views: tuple[scene.View, ...]
    environments: tuple[EnvironmentRow, ...]
    beside_files: bool = False

    @property
    def object_sha256(self) -> str | None:
        """The object's hash as meta states it: of one type in all samples of the data set."""
        return self.object.sha256 or ("" if self.beside_files else None)

    def environment_id(self, path: str) -> str:
        """Return the id of the environment that a light's `environment` names."""
        return next(row.id for row in self.environments if environment_path(row) == path)


@dataclasses.dataclass(frozen=True)
class Plan:
    """The content of a data set. Groups are computed from their place, so a plan of any size is small.

    Attributes:
        config: The recipe.
        assets: The rows of its manifests.
        manifests: For "objects/0", ... the sha256 of the rows of that manifest.
        quarantine: Objects in whose place some shards show others.
    """

    config: Config
    assets: Assets
    manifests: dict[str, str]
    quarantine: tuple[Quarantined, ...] = ()

    def record(self) -> DatasetRecord:
        """Return the content of dataset.json, whose fingerprint is the plan's."""
        config, views = self.config, self.config.views.count
        samples = config.shards.count * config.shards.groups * views
        sizes = {
            "shards": config.shards.count,
            "samples": samples,
            "images": samples * self.images_per_view(),
        }
        # Paths of the manifests and of a named Blender, so that a sample can be rendered again from the folder alone.
        places: dict[str, Any] = {"sources": config.sources.model_dump(mode="json")}
        if config.runtime.blender is not None:
            places["blender"] = config.runtime.blender
        return DatasetRecord(fingerprint_fields(config), self.manifests, {**sizes, **places})

    def group(self, shard: int, number: int) -> PlannedGroup:
        """Compute group `number` of shard `shard`, always the same."""
        config = self.config
        key = format_group_key(shard, number)
        rng = _generator(config.seed, GROUP, shard, number)
        ordinal, variant = divmod(shard * config.shards.groups + number, config.materials.variants)
        chosen = self._object(ordinal, shard)
        material = self._material(chosen, variant, rng)
        spec = _material_spec(material, config, rng)
        rotation = sampling.sample_object_rotation(config.objects.rotation, rng)
        views = tuple(self._view(shard, number, view) for view in range(config.views.count))
        return PlannedGroup(
            key,
            shard,
            number,
            chosen,
            material,
            spec,
            rotation,
            views,
            self.assets.environments,
            beside_files=any(row.in_files for row in self.assets.objects),
        )

    def groups(self, shard: int) -> list[PlannedGroup]:
        """Compute all groups of a shard, in order."""
        return [self.group(shard, number) for number in range(self.config.shards.groups)]

    def images_per_view(self) -> int:
        """Count the images that Cycles renders for one view."""
        lights, shading = self.config.lights, self.config.shading
        images = lights.parallel.count + lights.point.count + lights.environment.count + lights.mixed.count
        images += shading.count if shading.mode == "photometric" else 0
        return images + (self.config.light_basis.count if self.config.light_basis else 0)

    def paths_per_view(self) -> int:
        """Count the camera paths that Cycles traces for the images of one view, on the whole frame."""
        lights, samples, shading = self.config.lights, self.config.render.samples, self.config.shading
        per_pixel = sum(getattr(lights, kind).count * getattr(samples, kind) for kind in scene.LIGHT_KINDS)
        if shading.mode == "photometric":
            per_pixel += shading.count * samples.shading
        elif shading.mode == "cast":
            per_pixel += shading.count
        if self.config.light_basis:
            per_pixel += self.config.light_basis.count * samples.basis
        return (per_pixel + 1) * self.config.camera.width * self.config.camera.height

    def _object(self, ordinal: int, shard: int) -> ObjectRow:
        """Choose an object: in shuffled rounds, so that each is used once before any is used again.

        In the place of one that the shard passes over stands another, drawn for this place alone.
        """
        objects = self.assets.objects
        turn, place = divmod(ordinal, len(objects))
        chosen = objects[_order(self.config.seed, turn, len(objects))[place]]
        passed = {entry.object for entry in self.quarantine if entry.applies_to(shard)}
        if chosen.id in passed:
            rng = _generator(self.config.seed, RESERVE, ordinal)
            while chosen.id in passed:
                chosen = objects[rng.integers(len(objects))]
        return chosen

    def _material(self, chosen: ObjectRow, variant: int, rng: np.random.Generator) -> MaterialRow | None:
        has_none = chosen.source != "file" and bool(self.assets.materials)
        kind = MATERIAL_KINDS[rng.choice(3, p=kind_weights(self.config.materials, variant, has_none))]
        rows = self.assets.of_kind(kind)
        return rows[rng.integers(len(rows))] if kind != "own" else None

    def _view(self, shard: int, group: int, number: int) -> scene.View:
        config = self.config
        rng = _generator(config.seed, VIEW, shard, group, number)
        paths = [environment_path(row) for row in self.assets.environments]
        seed = int(rng.integers(2**31))
        camera = sampling.sample_camera(config.camera, config.views, number, rng)
        distance = float(np.linalg.norm(np.array(camera.camera_to_world)[:3, 3]))
        return scene.View(
            key=str(SampleKey(shard, group, number)),
            seed=seed,
            camera=camera,
            lights=sampling.sample_lights(config.lights, paths, rng, distance),
            sequence=sampling.sample_sequence(config.shading, config.lights, paths, rng),
            basis=sampling.basis_lights(config.light_basis),
        )


def make_plan(config: Config) -> Plan:
    """Read the manifests of a configuration and plan its data set.

    Args:
        config: The data set's configuration.

    Returns:
        The plan; its groups are computed when they are asked for.

    Raises:
        ManifestError: If a manifest is missing or wrong.
        ConfigError: If the split has no assets of a kind that the configuration needs.
    """
    assets, manifests = read_assets(config)
    return Plan(config, assets, manifests)


def read_plan(folder: FolderPlace, overrides: Sequence[str] = ()) -> Plan:
    """Rebuild the plan of a rendered data set from its dataset.json and the manifests that it names.

    Args:
        folder: The data set.
        overrides: Settings of runtime, such as "runtime.request_seconds=1200".

    Returns:
        The plan that it was rendered from, with the Blender that it was begun with.

    Raises:
        ShardError: If the folder is no data set, or its manifests have changed since it was rendered.
        ManifestError: If a manifest cannot be read.
        ConfigError: If an override is wrong or none of runtime, or all its objects are in quarantine.
    """
    if outside := [text for text in overrides if not text.startswith("runtime.")]:
        raise ConfigError(f"--set {outside[0]}: only settings of runtime leave the data set as it is")
    record = read_dataset(folder)
    plan = make_plan(override_config(record.recipe(), overrides))
    changed = record.differences(plan.record())
    if changed:
        raise ShardError(f"{folder}: its manifests have changed since it was rendered: {'; '.join(changed)}")
    return with_quarantine(plan, folder)


def with_quarantine(plan: Plan, folder: FolderPlace) -> Plan:
    """Return the plan with the quarantine of its data set (`multishade.render.quarantine`).

    Raises ShardError if the quarantine cannot be read, ConfigError if it leaves no object.
    """
    quarantine = read_quarantine(folder)
    passed = {entry.object for entry in quarantine}
    if all(row.id in passed for row in plan.assets.objects):
        raise ConfigError(
            f"{folder}: every object is in its {QUARANTINE_NAME}; repair some, and remove their entries"
        )
    return dataclasses.replace(plan, quarantine=quarantine)


def kind_weights(settings: models.Materials, variant: int, has_none: bool) -> NDArray[np.float64]:
    """Compute the probabilities of MATERIAL_KINDS for a group.

    Args:
        settings: With several variants of each object, the first keeps its own material and the others do not.
        variant: Number of the variant.
        has_none: Whether the object has no material of its own (built-in objects); it always gets one of the
            manifest's then.

    Returns:
        (3,), with sum 1.
    """
    weights = np.array([settings.own, settings.metallic, settings.non_metallic])
    if settings.variants > 1:
        weights[0] = weights[0] if variant == 0 else 0.0
        weights[1:] = weights[1:] if variant > 0 or weights[0] == 0 else 0.0
    if has_none:
        replaced = [settings.metallic, settings.non_metallic] if settings.own < 1 else [1.0, 1.0]
        weights = np.array([0.0, *replaced])
    return weights / weights.sum()


def environment_path(row: EnvironmentRow) -> str:
    """Return the path of an environment's file, or its `studio:` name."""
    return scene.STUDIO + row.location if row.source == "builtin" else str(row.path)


def _material_spec(row: MaterialRow | None, config: Config, rng: np.random.Generator) -> dict[str, Any]:
    """The input of `blender_scripts.materials`, with its parameters sampled."""
    if row is None:
        return {"source": "own"}
    if row.source == "builtin":
        family, seed = family_and_seed(row.location)
        return {
            "source": "builtin",
            "family": family,
            "parameters": materials.sample_parameters(family, seed),
        }
    assert row.maps is not None
    return {
        "source": "maps",
        "kind": row.kind,
        "maps": {name: str(row.path / file) for name, file in row.maps.present().items()},
        "normal_convention": row.normal_convention or "opengl",
        "projection": "auto",
        "repeats": float(rng.uniform(*config.materials.repeats)),
        "height_scale": float(rng.uniform(*config.materials.height_scale)) / (row.height_span or 1.0),
        "channels": row.channels or {},
        "inverted": row.inverted,
    }


def _generator(seed: int, *place: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=place))


@functools.lru_cache(maxsize=8)
def _order(seed: int, turn: int, count: int) -> tuple[int, ...]:
    return tuple(int(index) for index in _generator(seed, ORDER, turn).permutation(count))
