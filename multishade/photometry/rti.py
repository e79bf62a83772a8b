# SPDX-License-Identifier: Apache-2.0
"""Images under distant lights -> bytes of a polynomial texture map (.ptm) or of hemispherical harmonics (.rti).

PTM 1.2, LRGB (Malzbender et al., SIGGRAPH 2001; HP's "Polynomial Texture Map (.ptm) File Format", version 1.2):
luminance = a0 lu^2 + a1 lv^2 + a2 lu lv + a3 lu + a4 lv + a5 times a colour for each pixel, coefficient = (byte - bias)
scale, rows from the bottom up, all coefficients before all colours. HSH 1.2 (Gautron et al., EGSR 2004, as in
RTIViewer): colour = sum of 4 or 9 harmonics of the hemisphere, coefficient = byte / 255 scale + bias, rows from the top
down. lu, lv: the light's direction to the right and up. Viewers show the values as they are, so images are sRGB-coded.
"""

import numpy as np
from numpy.typing import NDArray

from multishade.errors import SolveError
from multishade.threads import one_blas_thread

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

PTM_TERMS = 6
# Share of the coefficients that may be cut at each end of a byte's range, so that a glint does not coarsen all others.
CUT = 0.0005
RIDGE = 1e-3  # on the coefficients of HSH, which dome lights do not determine near the horizon
LOWEST = 0.02  # cosine to the view axis that viewers allow a light
HSH_TYPE = 3  # "type" of the RTI header


def polynomial_basis(directions: NDArray[np.floating]) -> Float64:
    """Compute the six terms of a PTM.

    Args:
        directions: (K, 3) unit vectors toward the lights, camera frame.

    Returns:
        (K, 6): lu^2, lv^2, lu lv, lu, lv, 1.
    """
    u, v = np.asarray(directions, np.float64)[:, :2].T
    return np.stack([u * u, v * v, u * v, u, v, np.ones_like(u)], axis=1)


def harmonic_basis(directions: NDArray[np.floating], terms: int = 9) -> Float64:
    """Compute hemispherical harmonics.

    Args:
        directions: (K, 3) unit vectors toward the lights, camera frame.
        terms: 1, 4 or 9: orders 0 to 0, 1 or 2.

    Returns:
        (K, terms) in the order of RTI files.
    """
    x, y, z = np.asarray(directions, np.float64).T
    phi = np.arctan2(y, x)
    c = np.clip(z, LOWEST, 1)
    root = np.sqrt(np.maximum(c - c * c, 0))
    first, second = np.sqrt(6 / np.pi), np.sqrt(30 / np.pi)
    columns = [
        np.full_like(c, 1 / np.sqrt(2 * np.pi)),
        first * np.cos(phi) * root,
        np.sqrt(3 / (2 * np.pi)) * (2 * c - 1),
        first * np.sin(phi) * root,
        second * np.cos(2 * phi) * (c * c - c),
        second * np.cos(phi) * (2 * c - 1) * root,
        np.sqrt(5 / (2 * np.pi)) * (1 - 6 * c + 6 * c * c),
        second * np.sin(phi) * (2 * c - 1) * root,
        second * np.sin(2 * phi) * (c * c - c),
    ]
    return np.stack(columns[:terms], axis=1)


@one_blas_thread()
def encode_ptm(images: NDArray[np.floating], directions: NDArray[np.floating]) -> bytes:
    """Fit and encode a PTM of the kind LRGB.

    Args:
        images: (K, H, W, 3) sRGB-coded, 0 to 1, K >= 6.
        directions: (K, 3) unit vectors toward the lights, camera frame.

    Returns:
        The file.

    Raises:
        SolveError: If the lights do not determine six terms.
    """
    values, basis = _checked(images, directions, polynomial_basis(directions), "ptm")
    count, height, width = values.shape[:3]
    mean = values.mean(axis=0)
    brightest = mean.max(axis=2, keepdims=True)
    colour = np.where(brightest > 0, mean / np.maximum(brightest, 1e-9), 1)
    # The luminance that fits each image best, given the colour.
    luminance = np.einsum("khwc,hwc->khw", values, colour) / (colour**2).sum(axis=2)
    fit = np.linalg.lstsq(basis, luminance.reshape(count, -1) * 255, rcond=None)[0]
    coded = np.empty((height * width, PTM_TERMS), np.uint8)
    scales, biases = [], []
    for term, coefficients in enumerate(fit):
        low, high = (min(0.0, float(coefficients.min())), max(0.0, float(coefficients.max())))
        if coefficients.size > 1 / CUT:
            low, high = (
                max(low, min(0.0, float(np.quantile(coefficients, CUT)))),
                min(high, max(0.0, float(np.quantile(coefficients, 1 - CUT)))),
            )
        # As the header's six decimals state it, so that both sides compute with one number.
        scale = max(round((high - low) / 255 + 5e-7, 6), 1e-6)
        bias = int(np.clip(round(-low / scale), 0, 255))
        coded[:, term] = np.clip(np.rint(coefficients / scale + bias), 0, 255)
        scales.append(scale)
        biases.append(bias)
    header = (
        f"PTM_1.2\nPTM_FORMAT_LRGB\n{width}\n{height}\n"
        f"{' '.join(f'{scale:.6f}' for scale in scales)}\n{' '.join(map(str, biases))}\n"
    )
    rows = coded.reshape(height, width, PTM_TERMS)[::-1]
    colours = np.rint(colour * 255).astype(np.uint8)[::-1]
    return header.encode("ascii") + rows.tobytes() + colours.tobytes()


@one_blas_thread()
def encode_hsh(images: NDArray[np.floating], directions: NDArray[np.floating]) -> bytes:
    """Fit and encode hemispherical harmonics: 9 terms of 12 lights or more, else 4.

    Args:
        images: (K, H, W, 3) sRGB-coded, 0 to 1, K >= 4.
        directions: (K, 3) unit vectors toward the lights, camera frame.

    Returns:
        The file.

    Raises:
        SolveError: If the lights do not determine four terms.
    """
    terms = 9 if len(directions) >= 12 else 4
    values, basis = _checked(images, directions, harmonic_basis(directions, terms), "rti")
    count, height, width = values.shape[:3]
    square = basis.T @ basis + RIDGE * count * np.eye(terms)
    fit = np.linalg.solve(square, basis.T @ values.reshape(count, -1)).reshape(terms, height, width, 3)
    low = fit.reshape(terms, -1).min(axis=1).astype("<f4")
    scale = np.maximum(fit.reshape(terms, -1).max(axis=1) - low, 1e-9).astype("<f4")
    share = (fit - low[:, None, None, None]) / scale[:, None, None, None]
    coded = np.clip(np.rint(share * 255), 0, 255).astype(np.uint8)
    header = f"#HSH1.2\n{HSH_TYPE}\n{width} {height} 3\n{terms} 2 1\n"
    # Of each pixel all terms of red, then of green, then of blue.
    return (
        header.encode("ascii")
        + scale.tobytes()
        + low.tobytes()
        + np.ascontiguousarray(coded.transpose(1, 2, 3, 0)).tobytes()
    )


def _checked(
    images: NDArray[np.floating], directions: NDArray[np.floating], basis: Float64, name: str
) -> tuple[Float64, Float64]:
    values = np.asarray(images, np.float64)
    if values.ndim != 4 or values.shape[3] != 3 or len(values) != len(directions):
        raise SolveError(
            f"{name}: expected (K, H, W, 3) images and K lights, got {values.shape}, {len(directions)}"
        )
    singular = np.linalg.svd(basis, compute_uv=False)
    if len(values) < basis.shape[1] or singular[-1] < 1e-3 * singular[0]:
        raise SolveError(
            f"{name}: {len(values)} lights do not determine {basis.shape[1]} terms (condition "
            f"{singular[0] / max(singular[-1], 1e-12):.0f}); more lights, spread over the hemisphere, do"
        )
    return np.clip(values, 0, 1), basis
