# SPDX-License-Identifier: Apache-2.0
"""Statistics of a data set -> checks of its content: objects, their families, materials, and failed groups."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from multishade.render.plan import kind_weights
from multishade.render.sources import Assets
from multishade.shards.keys import SampleKey
from multishade.stats.check import P_LEAST, Check, between, percent, share_interval, shares_p, times
from multishade.stats.gather import Statistics
from multishade.stats.measure import SampleFigures

OBJECTS, MATERIALS = "Objects", "Materials"
KINDS = ("own", "metallic", "non-metallic")
MOST_FAILURES = 0.02  # of the groups; more of them would bias the distributions


def check_objects(statistics: Statistics, assets: Assets | None) -> Iterator[Check]:
    """Check how many groups failed, and how often each object and each family occurs."""
    failures, rendered = statistics.failures, statistics.total // statistics.config.views.count
    share = failures / max(1, failures + rendered)
    chance = share_interval(share, failures + rendered)
    yield Check(
        OBJECTS,
        "groups that could not be rendered",
        f"{failures} of {failures + rendered} ({percent(share)}; {between(chance)})",
        f"at most {MOST_FAILURES:.0%}",
        chance[0] <= MOST_FAILURES,
    )
    groups = groups_of(statistics)
    uses = Counter(group.object.id for group in groups.values())
    # Objects come in shuffled rounds: within one run of shards, each occurs once per round.
    shards = sorted({SampleKey.parse(f"{key}-v0").shard for key in groups})
    runs = 1 + sum(b - a > 1 for a, b in zip(shards, shards[1:], strict=False))
    variants = statistics.config.materials.variants
    available = len(assets.objects) if assets else len(uses)
    least, largest = min(uses.values()), max(uses.values())
    most = (-(-len(groups) // (available * variants)) + runs) * variants
    yield Check(
        OBJECTS,
        "objects, how often each",
        f"{len(uses)}{f' of {available}' if assets else ''} objects in {len(groups)} groups, each "
        + times(least, largest),
        f"at most {times(most)}",
        largest <= most,
    )
    if assets is not None:
        families = Counter(str(row.family) for row in assets.objects)
        counts = Counter(str(group.object.family) for group in groups.values())
        expected = {name: count / len(assets.objects) for name, count in families.items()}
        p, worst = shares_p(counts, expected)
        yield Check(
            OBJECTS,
            "object families, how often each",
            f"{len(counts)} of {len(families)} ({worst} {counts[worst]}, p {p:.2g})",
            f"as in the manifest ({worst} {expected.get(worst, 0) * len(groups):.0f}), p at least {P_LEAST:g}",
            p >= P_LEAST,
        )


def check_materials(statistics: Statistics, assets: Assets | None) -> Iterator[Check]:
    """Check how often each kind of material and each material occurs."""
    groups = groups_of(statistics)
    counts = Counter(group.material.kind for group in groups.values())
    expected, spread = expected_kinds(statistics)
    off = np.array([counts[kind] for kind in KINDS]) - expected
    unknown = sorted(set(counts) - set(KINDS))
    # Five standard deviations of a sum of independent samples; none if the kind is not random.
    allowed = 5 * spread
    yield Check(
        MATERIALS,
        "materials, own / metallic / non-metallic",
        " / ".join(percent(counts[kind] / len(groups)) for kind in KINDS)
        + f" of {len(groups)} groups"
        + (f", and {', '.join(unknown)}" if unknown else ""),
        " / ".join(percent(share / len(groups)) for share in expected) + ", to 5 standard deviations",
        bool((np.abs(off) <= allowed + 1e-9).all()) and not unknown,
    )
    if assets is None:
        return
    for kind in KINDS[1:]:
        uses = Counter(group.material.id for group in groups.values() if group.material.kind == kind)
        rows = assets.of_kind(kind)
        if uses and rows:
            p, worst = shares_p(uses, {row.id: 1 / len(rows) for row in rows})
            total = sum(uses.values())
            yield Check(
                MATERIALS,
                f"{kind} materials, how often each",
                f"{len(uses)} of {len(rows)}, at most {times(max(uses.values()))} ({worst} {uses[worst]}, p {p:.2g})",
                f"each {total / len(rows):.1f} times, p at least {P_LEAST:g}",
                p >= P_LEAST,
            )


def groups_of(statistics: Statistics) -> dict[str, SampleFigures]:
    """Map the key of each group to one of its samples, which all share object and material."""
    return {sample.group: sample for sample in statistics.samples}


def expected_kinds(statistics: Statistics) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute the number of groups of each of KINDS that the recipe predicts, and the standard deviation; (3,) each."""
    config = statistics.config
    settings, each = config.materials, config.shards.groups
    chances = []
    for key, group in groups_of(statistics).items():
        place = SampleKey.parse(f"{key}-v0")
        shard, number = place.shard, place.group
        variant = (shard * each + number) % settings.variants
        has_none = group.object.source != "file" and bool(config.sources.materials)
        chances.append(kind_weights(settings, variant, has_none))
    p = np.array(chances)
    return p.sum(axis=0), np.sqrt((p * (1 - p)).sum(axis=0))
