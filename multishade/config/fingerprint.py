# SPDX-License-Identifier: Apache-2.0
"""A `Config` -> the settings that decide the bytes of a data set, which its fingerprint covers."""

from typing import Any

from multishade.config.models import Config


def fingerprint_fields(config: Config) -> dict[str, Any]:
    """Return the settings that decide a shard's bytes, as JSON values.

    `runtime` is left out, and so are the paths of the manifests (their rows count, not where they are stored) and the
    number of shards (a data set may grow). Settings of a light basis, of `camera.fit`, of `geometry`, of
    `exposure.min_visible`, of `formats.passes` and `formats.hashes`, of `render.quality` and of `render.adaptive` are
    included only if the feature is in use, so that data sets without it keep the fingerprint that they had before the
    feature existed.

    Args:
        config: A validated configuration.

    Returns:
        Nested dicts, lists, strings and numbers. `multishade.shards.record` hashes them together with the manifests.
    """
    fields = config.model_dump(mode="json", exclude={"runtime": True, "sources": True, "shards": {"count"}})
    if config.light_basis is None:
        del fields["light_basis"], fields["render"]["samples"]["basis"]
    if config.camera.fit == "sphere":
        del fields["camera"]["fit"], fields["camera"]["fill"]
    if config.exposure.min_visible == 0:
        del fields["exposure"]["min_visible"]
    if not config.formats.passes:
        del fields["formats"]["passes"]
    if not config.formats.hashes:
        del fields["formats"]["hashes"]
    if config.geometry.samples == 1:
        del fields["geometry"]
    if config.render.adaptive.threshold == 0:
        del fields["render"]["adaptive"]
    if config.render.quality.psnr is None:
        del fields["render"]["quality"]
    return fields
