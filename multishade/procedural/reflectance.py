# SPDX-License-Identifier: Apache-2.0
"""Reflectance by name: F0 and F82 of metals, albedo of oxides, skin, woods and stones, in linear Rec.709."""

import numpy as np

Colour = list[float]

DARKEST, BRIGHTEST = 0.03, 0.9  # albedo of charcoal and of fresh snow: the range of opaque matter

# Reflectance at normal incidence (F0) and at 82 degrees (F82), linear Rec.709: computed from measured complex indices
# of refraction by the Physically Based database (physicallybased.info, CC0).
METALS: dict[str, tuple[Colour, Colour]] = {
    "aluminium": ([0.912, 0.914, 0.920], [0.970, 0.979, 0.988]),
    "brass": ([0.887, 0.789, 0.434], [0.988, 0.976, 0.843]),
    "chromium": ([0.638, 0.651, 0.663], [0.632, 0.718, 0.809]),
    "copper": ([0.926, 0.721, 0.504], [0.996, 0.957, 0.823]),
    "gold": ([0.944, 0.776, 0.373], [0.998, 0.981, 0.751]),
    "iron": ([0.531, 0.512, 0.496], [0.571, 0.540, 0.586]),
    "nickel": ([0.649, 0.610, 0.541], [0.797, 0.801, 0.789]),
    "platinum": ([0.679, 0.642, 0.588], [0.785, 0.789, 0.784]),
    "silver": ([0.962, 0.949, 0.922], [0.999, 0.998, 0.998]),
    "titanium": ([0.616, 0.582, 0.544], [0.689, 0.683, 0.689]),
    "tungsten": ([0.504, 0.498, 0.478], [0.403, 0.418, 0.423]),
}

# Oxides as (thin, thick) albedo of the layer that grows on each metal.
OXIDES: dict[str, tuple[Colour, Colour]] = {
    "iron": ([0.30, 0.105, 0.035], [0.085, 0.040, 0.030]),
    "copper": ([0.10, 0.055, 0.035], [0.18, 0.42, 0.34]),
    "brass": ([0.12, 0.080, 0.040], [0.22, 0.36, 0.27]),
    "aluminium": ([0.28, 0.28, 0.28], [0.52, 0.52, 0.50]),
    "silver": ([0.20, 0.15, 0.10], [0.050, 0.045, 0.048]),
}

# Skin of the six Fitzpatrick types, and the mean free path of light in it (cm), from the same database.
SKIN = np.array(
    [
        [0.847, 0.638, 0.552],
        [0.799, 0.485, 0.347],
        [0.623, 0.433, 0.343],
        [0.436, 0.227, 0.131],
        [0.283, 0.148, 0.079],
        [0.090, 0.050, 0.030],
    ]
)
SKIN_FREE_PATH_CM = np.array([[0.482, 0.169, 0.109]] * 3 + [[0.367, 0.137, 0.068]] * 3)

# Early wood, late wood.
WOODS: dict[str, tuple[Colour, Colour]] = {
    "pine": ([0.62, 0.40, 0.20], [0.36, 0.17, 0.065]),
    "oak": ([0.44, 0.28, 0.14], [0.25, 0.135, 0.060]),
    "cherry": ([0.45, 0.20, 0.095], [0.27, 0.095, 0.045]),
    "walnut": ([0.19, 0.10, 0.055], [0.080, 0.042, 0.031]),
    "maple": ([0.66, 0.48, 0.29], [0.48, 0.29, 0.14]),
    "mahogany": ([0.26, 0.085, 0.045], [0.125, 0.038, 0.031]),
    "teak": ([0.36, 0.20, 0.085], [0.18, 0.085, 0.038]),
}

# Ground, veins.
MARBLES: dict[str, tuple[Colour, Colour]] = {
    "carrara": ([0.78, 0.78, 0.77], [0.30, 0.31, 0.33]),
    "nero": ([0.035, 0.035, 0.038], [0.62, 0.60, 0.56]),
    "verde": ([0.055, 0.13, 0.085], [0.45, 0.55, 0.47]),
    "rosso": ([0.32, 0.085, 0.055], [0.66, 0.52, 0.45]),
    "giallo": ([0.64, 0.46, 0.25], [0.34, 0.17, 0.075]),
}

# Quartz, feldspar, plagioclase, mica.
GRANITES: dict[str, list[Colour]] = {
    "grey": [[0.42, 0.42, 0.42], [0.66, 0.65, 0.63], [0.26, 0.26, 0.27], [0.045, 0.045, 0.048]],
    "pink": [[0.46, 0.42, 0.40], [0.56, 0.29, 0.21], [0.66, 0.52, 0.46], [0.055, 0.050, 0.050]],
    "black": [[0.055, 0.058, 0.062], [0.038, 0.038, 0.040], [0.12, 0.12, 0.125], [0.24, 0.24, 0.25]],
    "gold": [[0.55, 0.46, 0.33], [0.64, 0.52, 0.34], [0.33, 0.21, 0.11], [0.060, 0.050, 0.045]],
    "blue": [[0.22, 0.27, 0.33], [0.34, 0.38, 0.42], [0.11, 0.15, 0.21], [0.040, 0.042, 0.050]],
}

SANDSTONES: dict[str, tuple[Colour, Colour]] = {
    "buff": ([0.52, 0.40, 0.25], [0.38, 0.26, 0.14]),
    "red": ([0.42, 0.19, 0.105], [0.28, 0.105, 0.060]),
    "grey": ([0.42, 0.40, 0.36], [0.29, 0.27, 0.24]),
    "limestone": ([0.62, 0.57, 0.47], [0.50, 0.44, 0.34]),
}
