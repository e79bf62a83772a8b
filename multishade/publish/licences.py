# SPDX-License-Identifier: Apache-2.0
"""Licences of assets -> the licence under which pictures made from all of them may be passed on.

A rendered image is a work made from its assets, so each asset's terms apply to it. The terms of Creative Commons and of
the usual software licences are compared; a licence that is not known here counts as the most restrictive one.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

OTHER = "other"
# Versions that the Hub lists (huggingface.co/docs/hub/repositories-licenses).
_ON_THE_HUB = {
    "BY": (2, 3, 4),
    "BY-SA": (3, 4),
    "BY-NC": (2, 3, 4),
    "BY-NC-SA": (2, 3, 4),
    "BY-ND": (4,),
    "BY-NC-ND": (3, 4),
}


@dataclass(frozen=True)
class Terms:
    """What a licence asks for.

    Attributes:
        hub: Its identifier on the Hugging Face Hub, "other" if the Hub lists none.
        rank: Larger is more restrictive.
        attribution: Authors must be named.
        share_alike: What is made from it must have the same licence.
        non_commercial: No commercial use.
        no_derivatives: What is made from it must not be passed on.
    """

    hub: str
    rank: int
    attribution: bool = True
    share_alike: bool = False
    non_commercial: bool = False
    no_derivatives: bool = False


def _creative_commons() -> dict[str, Terms]:
    found = {"CC0-1.0": Terms("cc0-1.0", 0, attribution=False)}
    kinds: tuple[tuple[str, int, dict[str, bool]], ...] = (
        ("BY", 40, {}),
        ("BY-SA", 50, {"share_alike": True}),
        ("BY-NC", 60, {"non_commercial": True}),
        ("BY-NC-SA", 70, {"non_commercial": True, "share_alike": True}),
        ("BY-ND", 80, {"no_derivatives": True}),
        ("BY-NC-ND", 90, {"non_commercial": True, "no_derivatives": True}),
    )
    for name, rank, asks in kinds:
        for version in (1, 2, 3, 4):
            identifier = f"CC-{name}-{version}.0"
            hub = identifier.lower() if version in _ON_THE_HUB[name] else OTHER
            found[identifier] = Terms(hub, rank + version, **asks)
    return found


LICENCES = {
    **_creative_commons(),
    "MIT": Terms("mit", 10),
    "BSD-2-Clause": Terms("bsd-2-clause", 11),
    "BSD-3-Clause": Terms("bsd-3-clause", 12),
    "Apache-2.0": Terms("apache-2.0", 13),
    "ODC-By-1.0": Terms("odc-by", 20),
}


@dataclass(frozen=True)
class Combined:
    """The licence of what is made from several works.

    Attributes:
        hub: Identifier on the Hugging Face Hub, "other" if no single licence meets all terms, or the Hub lists it not.
        name: The most restrictive licence as the assets state it.
        reasons: Why no single licence meets all terms; empty if one does.
    """

    hub: str
    name: str
    reasons: tuple[str, ...] = ()


def combine(licences: Iterable[str]) -> Combined:
    """Find the licence that meets the terms of all works that something is made from.

    Args:
        licences: Of the works, as SPDX identifiers or any other statement; at least one.

    Returns:
        The most restrictive one, or "other" with the reasons: unknown terms, terms that forbid passing on what is made
        from a work, or share-alike terms that contradict the other terms.
    """
    stated = sorted(set(licences))
    unknown = [name for name in stated if name not in LICENCES]
    if unknown:
        listed = ", ".join(unknown)
        return Combined(OTHER, unknown[0], (f"the terms of {listed} are not known here: read them",))
    name = max(stated, key=lambda each: LICENCES[each].rank)
    known = {each: LICENCES[each] for each in stated}
    reasons = []
    forbidden = [each for each, terms in known.items() if terms.no_derivatives]
    if forbidden:
        reasons.append(f"{', '.join(forbidden)} does not allow to pass on what is made from the work")
    shared = [each for each, terms in known.items() if terms.share_alike]
    kinds = {_kind(each) for each in shared}
    if len(kinds) > 1:
        reasons.append(f"{' and '.join(shared)} each ask for their own licence")
    elif shared and not known[shared[0]].non_commercial and any(t.non_commercial for t in known.values()):
        others = [each for each, terms in known.items() if terms.non_commercial]
        reasons.append(
            f"{shared[0]} allows commercial use of what is made from it, {', '.join(others)} does not"
        )
    if reasons:
        return Combined(OTHER, name, tuple(reasons))
    return Combined(known[name].hub, name)


def _kind(name: str) -> str:
    """A licence without its version: works under CC-BY-SA-3.0 may be passed on under CC-BY-SA-4.0."""
    return re.sub(r"-[0-9.]+$", "", name)
