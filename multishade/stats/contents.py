# SPDX-License-Identifier: Apache-2.0
"""A survey -> checks of what is in it: objects and their families, materials, groups that are missing."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from multishade.render.plan import Assets, kind_weights
from multishade.shards.keys import SampleKey
from multishade.stats.check import P_LEAST, Check, percent, shares_p
from multishade.stats.gather import Survey
from multishade.stats.measure import SampleFigures

OBJECTS, MATERIALS = "Objects", "Materials"
KINDS = ("own", "metallic", "non-metallic")
MOST_FAILURES = 0.02  # of the groups; more of them thin out what they are drawn from


def check_objects(survey: Survey, assets: Assets | None) -> Iterator[Check]:
    failures, rendered = survey.failures, survey.total // survey.config.views.count
    share = failures / max(1, failures + rendered)
    yield Check(
        OBJECTS,
        "groups that could not be rendered",
        f"{failures} of {failures + rendered} ({percent(share)})",
        f"at most {MOST_FAILURES:.0%}",
        share <= MOST_FAILURES,
    )
    groups = groups_of(survey)
    uses = Counter(group.object.id for group in groups.values())
    # Objects come in shuffled rounds: within one run of shards, none comes twice more often than the rounds do.
    shards = sorted({SampleKey.parse(f"{key}-v0").shard for key in groups})
    runs = 1 + sum(b - a > 1 for a, b in zip(shards, shards[1:], strict=False))
    variants = survey.config.materials.variants
    there = len(assets.objects) if assets else len(uses)
    most = (-(-len(groups) // (there * variants)) + runs) * variants
    yield Check(
        OBJECTS,
        "objects, how often each",
        f"{len(uses)}{f' of {there}' if assets else ''} objects in {len(groups)} groups, "
        f"{min(uses.values())} to {max(uses.values())} times",
        f"at most {most} times",
        max(uses.values()) <= most,
    )
    if assets is not None:
        families = Counter(str(row.family) for row in assets.objects)
        found = Counter(str(group.object.family) for group in groups.values())
        expected = {name: count / len(assets.objects) for name, count in families.items()}
        p, worst = shares_p(found, expected)
        yield Check(
            OBJECTS,
            "object families, how often each",
            f"{len(found)} of {len(families)} ({worst} {found[worst]}, p {p:.2g})",
            f"as in the manifest ({worst} {expected.get(worst, 0) * len(groups):.0f}), p at least {P_LEAST:g}",
            p >= P_LEAST,
        )


def check_materials(survey: Survey, assets: Assets | None) -> Iterator[Check]:
    groups = groups_of(survey)
    counts = Counter(group.material.kind for group in groups.values())
    expected, spread = expected_kinds(survey)
    off = np.array([counts[kind] for kind in KINDS]) - expected
    strangers = sorted(set(counts) - set(KINDS))
    # Five standard deviations of a sum of independent draws, and not a single group where nothing is left to chance.
    allowed = 5 * spread
    yield Check(
        MATERIALS,
        "materials, own / metallic / non-metallic",
        " / ".join(percent(counts[kind] / len(groups)) for kind in KINDS)
        + f" of {len(groups)} groups"
        + (f", and {', '.join(strangers)}" if strangers else ""),
        " / ".join(percent(share / len(groups)) for share in expected) + ", to 5 standard deviations",
        bool((np.abs(off) <= allowed + 1e-9).all()) and not strangers,
    )
    if assets is None:
        return
    for kind in KINDS[1:]:
        worn = Counter(group.material.id for group in groups.values() if group.material.kind == kind)
        rows = assets.of_kind(kind)
        if worn and rows:
            p, worst = shares_p(worn, {row.id: 1 / len(rows) for row in rows})
            total = sum(worn.values())
            yield Check(
                MATERIALS,
                f"{kind} materials, how often each",
                f"{len(worn)} of {len(rows)}, at most {max(worn.values())} times ({worst} {worn[worst]}, p {p:.2g})",
                f"each {total / len(rows):.1f} times, p at least {P_LEAST:g}",
                p >= P_LEAST,
            )


def groups_of(survey: Survey) -> dict[str, SampleFigures]:
    """Map the key of each group to one of its samples: all share object and material."""
    return {sample.group: sample for sample in survey.samples}


def expected_kinds(survey: Survey) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(3,) groups of each of KINDS that the recipe lets one expect, and their standard deviation."""
    config = survey.config
    settings, each = config.materials, config.shards.groups
    chances = []
    for key, group in groups_of(survey).items():
        place = SampleKey.parse(f"{key}-v0")
        shard, number = place.shard, place.group
        variant = (shard * each + number) % settings.variants
        bare = group.object.source != "file" and bool(config.sources.materials)
        chances.append(kind_weights(settings, variant, bare))
    p = np.array(chances)
    return p.sum(axis=0), np.sqrt((p * (1 - p)).sum(axis=0))
