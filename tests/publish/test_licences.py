# SPDX-License-Identifier: Apache-2.0
"""The licence of pictures follows from the licences of everything that is in them."""

import pytest

from multishade.publish.licences import combine


@pytest.mark.parametrize(
    ("licences", "hub", "name"),
    [
        (["CC0-1.0"], "cc0-1.0", "CC0-1.0"),
        (["CC0-1.0", "MIT"], "mit", "MIT"),
        (["CC0-1.0", "Apache-2.0", "CC-BY-4.0", "CC-BY-3.0"], "cc-by-4.0", "CC-BY-4.0"),
        (["CC-BY-4.0", "CC-BY-SA-3.0", "CC-BY-SA-4.0"], "cc-by-sa-4.0", "CC-BY-SA-4.0"),
        (["CC-BY-4.0", "CC-BY-NC-4.0"], "cc-by-nc-4.0", "CC-BY-NC-4.0"),
        (["CC0-1.0", "CC-BY-SA-2.0"], "other", "CC-BY-SA-2.0"),
        (["CC-BY-NC-4.0", "CC-BY-NC-SA-4.0"], "cc-by-nc-sa-4.0", "CC-BY-NC-SA-4.0"),
    ],
)
def test_the_most_restrictive_licence_is_named(licences: list[str], hub: str, name: str) -> None:
    found = combine(licences)
    assert (found.hub, found.name, found.reasons) == (hub, name, ())


@pytest.mark.parametrize(
    ("licences", "reason"),
    [
        (["CC0-1.0", "unknown"], "unknown"),
        (["CC0-1.0", "see the shop's page"], "see the shop's page"),
        (["CC-BY-4.0", "CC-BY-ND-4.0"], "does not allow to pass on"),
        (["CC-BY-SA-4.0", "CC-BY-NC-4.0"], "allows commercial use"),
        (["CC-BY-SA-4.0", "CC-BY-NC-SA-4.0"], "each ask for their own licence"),
    ],
)
def test_terms_that_no_licence_meets_are_explained(licences: list[str], reason: str) -> None:
    found = combine(licences)
    assert found.hub == "other"
    assert any(reason in each for each in found.reasons)
