# SPDX-License-Identifier: Apache-2.0
"""A config and its manifests -> what each shard holds: groups of one object in one material, seen from several views.

Every random choice derives from the data set's seed and the place (shard, group, view) alone, so that any sample can be
made again by itself, in any order, by any worker.
"""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from multishade.assets.manifest import read_environments, read_materials, read_objects
from multishade.assets.schema import EnvironmentRow, MaterialRow, ObjectRow, Row, family_and_seed, row_as_json
from multishade.config import Config, fingerprint_fields, models
from multishade.errors import ConfigError
from multishade.procedural import materials
from multishade.protocol import scene
from multishade.render import sampling
from multishade.shards.record import DatasetRecord

# The first element of a spawn key says what is drawn; what follows says for which place.
ORDER, GROUP, VIEW = 0, 1, 2
MATERIAL_KINDS = ("own", "metallic", "non-metallic")

AnyRow = TypeVar("AnyRow", bound=Row)


@dataclasses.dataclass(frozen=True)
class Assets:
    """The rows that this data set draws from: those of its split."""

    objects: tuple[ObjectRow, ...]
    materials: tuple[MaterialRow, ...]
    environments: tuple[EnvironmentRow, ...]

    def of_kind(self, kind: str) -> tuple[MaterialRow, ...]:
        return tuple(row for row in self.materials if row.kind == kind)


@dataclasses.dataclass(frozen=True)
class PlannedGroup:
    """One object in one material. `material` None: the object's own."""

    key: str
    shard: int
    number: int
    object: ObjectRow
    material: MaterialRow | None
    material_spec: dict[str, Any]
    rotation: scene.Matrix3
    views: tuple[scene.View, ...]
    environments: tuple[EnvironmentRow, ...]

    def environment_id(self, path: str) -> str:
        """The id of the environment that a light's `environment` names."""
        return next(row.id for row in self.environments if environment_path(row) == path)


@dataclasses.dataclass(frozen=True)
class Plan:
    config: Config
    assets: Assets
    manifests: dict[str, str]  # "objects/0", ... -> sha256 of the rows of that manifest

    def record(self) -> DatasetRecord:
        """What a folder of these shards says about itself; its fingerprint is the plan's."""
        config, views = self.config, self.config.views.count
        samples = config.shards.count * config.shards.groups * views
        sizes = {
            "shards": config.shards.count,
            "samples": samples,
            "images": samples * self.images_per_view(),
        }
        # Where the manifests lay, so that a sample can be made again from the folder alone.
        sources = config.sources.model_dump(mode="json")
        return DatasetRecord(fingerprint_fields(config), self.manifests, {**sizes, "sources": sources})

    def group(self, shard: int, number: int) -> PlannedGroup:
        """Group `number` of shard `shard`."""
        config = self.config
        key = f"s{shard:06d}-g{number:04d}"
        rng = _generator(config.seed, GROUP, shard, number)
        ordinal, variant = divmod(shard * config.shards.groups + number, config.materials.variants)
        chosen = self._object(ordinal)
        material = self._material(chosen, variant, rng)
        spec = _material_spec(material, config, rng)
        rotation = sampling.rotation(config.objects.rotation, rng)
        views = tuple(self._view(shard, number, view, f"{key}-v{view}") for view in range(config.views.count))
        return PlannedGroup(
            key, shard, number, chosen, material, spec, rotation, views, self.assets.environments
        )

    def groups(self, shard: int) -> list[PlannedGroup]:
        return [self.group(shard, number) for number in range(self.config.shards.groups)]

    def images_per_view(self) -> int:
        lights, shading = self.config.lights, self.config.shading
        images = lights.parallel.count + lights.point.count + lights.environment.count + lights.mixed.count
        images += shading.count if shading.mode == "photometric" else 0
        return images + (self.config.light_basis.count if self.config.light_basis else 0)

    def paths_per_view(self) -> int:
        """Camera paths that Cycles traces for one view's images, on the whole frame."""
        lights, samples, shading = self.config.lights, self.config.render.samples, self.config.shading
        per_pixel = sum(getattr(lights, kind).count * getattr(samples, kind) for kind in scene.LIGHT_KINDS)
        if shading.mode == "photometric":
            per_pixel += shading.count * samples.shading
        elif shading.mode == "cast":
            per_pixel += shading.count
        if self.config.light_basis:
            per_pixel += self.config.light_basis.count * samples.basis
        return (per_pixel + 1) * self.config.camera.width * self.config.camera.height

    def _object(self, ordinal: int) -> ObjectRow:
        """Objects come in shuffled rounds: each is used once before any is used again."""
        objects = self.assets.objects
        turn, place = divmod(ordinal, len(objects))
        return objects[_order(self.config.seed, turn, len(objects))[place]]

    def _material(self, chosen: ObjectRow, variant: int, rng: np.random.Generator) -> MaterialRow | None:
        bare = chosen.source != "file" and bool(self.assets.materials)
        kind = MATERIAL_KINDS[rng.choice(3, p=kind_weights(self.config.materials, variant, bare))]
        rows = self.assets.of_kind(kind)
        return rows[rng.integers(len(rows))] if kind != "own" else None

    def _view(self, shard: int, group: int, number: int, key: str) -> scene.View:
        config = self.config
        rng = _generator(config.seed, VIEW, shard, group, number)
        paths = [environment_path(row) for row in self.assets.environments]
        seed = int(rng.integers(2**31))
        camera = sampling.camera(config.camera, config.views, number, rng)
        distance = float(np.linalg.norm(np.array(camera.camera_to_world)[:3, 3]))
        return scene.View(
            key=key,
            seed=seed,
            camera=camera,
            lights=sampling.lights(config.lights, paths, rng, distance),
            sequence=sampling.sequence(config.shading, config.lights, paths, rng),
            basis=sampling.light_basis(config.light_basis),
        )


def make_plan(config: Config) -> Plan:
    """Read the manifests. Raises ManifestError, and ConfigError where the split leaves nothing to draw from."""
    manifests: dict[str, str] = {}
    known = _rows("objects", config.sources.objects, read_objects, manifests)
    worn = _rows("materials", config.sources.materials, read_materials, manifests)
    skies = _rows("environments", config.sources.environments, read_environments, manifests)
    assets = Assets(_of_split(known, config), _of_split(worn, config), _of_split(skies, config))
    _require(config, assets)
    return Plan(config, assets, manifests)


def kind_weights(settings: models.Materials, variant: int, bare: bool) -> NDArray[np.float64]:
    """Probabilities (3,) of MATERIAL_KINDS for a group.

    With several variants of each object the first keeps its own material and the others do not. bare: built-in objects
    have none of their own, so they always wear one of the manifest's.
    """
    weights = np.array([settings.own, settings.metallic, settings.non_metallic])
    if settings.variants > 1:
        weights[0] = weights[0] if variant == 0 else 0.0
        weights[1:] = weights[1:] if variant > 0 or weights[0] == 0 else 0.0
    if bare:
        worn = [settings.metallic, settings.non_metallic] if settings.own < 1 else [1.0, 1.0]
        weights = np.array([0.0, *worn])
    return weights / weights.sum()


def environment_path(row: EnvironmentRow) -> str:
    return scene.STUDIO + row.location if row.source == "builtin" else str(row.path)


def _rows(
    what: str,
    paths: Sequence[str],
    read: Callable[[str | Path], tuple[AnyRow, ...]],
    manifests: dict[str, str],
) -> tuple[AnyRow, ...]:
    """The rows of all manifests of one kind, and in `manifests` the hash of each."""
    rows: list[AnyRow] = []
    for number, path in enumerate(paths):
        found = read(path)
        text = json.dumps([row_as_json(row) for row in found], sort_keys=True, separators=(",", ":"))
        manifests[f"{what}/{number}"] = hashlib.sha256(text.encode()).hexdigest()
        rows += found
    return tuple(rows)


def _of_split(rows: tuple[AnyRow, ...], config: Config) -> tuple[AnyRow, ...]:
    return tuple(row for row in rows if row.split == config.split)


def _require(config: Config, assets: Assets) -> None:
    """The split has something of every kind that the config draws from."""
    needed = {"objects": (bool(assets.objects), config.sources.objects)}
    if config.sources.environments:
        needed["environments"] = (bool(assets.environments), config.sources.environments)
    for kind, weight in (
        ("metallic", config.materials.metallic),
        ("non-metallic", config.materials.non_metallic),
    ):
        if weight > 0:
            needed[f"{kind} materials"] = (bool(assets.of_kind(kind)), config.sources.materials)
    for what, (found, paths) in needed.items():
        if not found:
            raise ConfigError(f"no {what} of split {config.split!r} in {', '.join(paths) or 'any manifest'}")


def _material_spec(row: MaterialRow | None, config: Config, rng: np.random.Generator) -> dict[str, Any]:
    """What `blender_scripts.materials` builds from."""
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
        "height_scale": float(rng.uniform(*config.materials.height_scale)),
    }


def _generator(seed: int, *place: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=place))


@functools.lru_cache(maxsize=8)
def _order(seed: int, turn: int, count: int) -> tuple[int, ...]:
    return tuple(int(index) for index in _generator(seed, ORDER, turn).permutation(count))
