# SPDX-License-Identifier: Apache-2.0
"""Seconds to build one object of every built-in family, and what comes out.

    python -m benchmarks.objects [--seeds 20] [--first 0]

Prints a Markdown table: seconds of processor time (median and longest), triangles, and the median and 99th percentile
of the angle between adjacent faces where the surface is shaded smooth, in degrees, which bounds how far interpolated
normals stray from the geometry.
"""

import argparse
import time

import numpy as np

from multishade.errors import AssetError
from multishade.procedural.objects import FAMILIES, build
from multishade.procedural.objects.mesh import edge_angles


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=20, help="objects of each family")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    args = parser.parse_args()
    print("| family | s, median | s, longest | triangles, median | most | angle, median | 99 % | refused |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for family in FAMILIES:
        print(table_row(family, range(args.first, args.first + args.seeds)), flush=True)


def table_row(family: str, seeds: range) -> str:
    """One line of the table: the objects of a family for these seeds."""
    seconds, triangles, medians, tails, refused = [], [], [], [], 0
    for seed in seeds:
        start = time.process_time()
        try:
            mesh = build(family, seed)
        except AssetError as error:
            print(error)
            refused += 1
            continue
        seconds.append(time.process_time() - start)
        triangles.append(len(mesh.faces))
        angles = edge_angles(mesh.vertices.astype(np.float64), mesh.faces)
        smooth = angles[angles < mesh.crease_degrees]
        if len(smooth):
            medians.append(float(np.median(smooth)))
            tails.append(float(np.percentile(smooth, 99)))
    angle = f"{np.median(medians):.2f} | {np.median(tails):.1f}" if medians else "flat | flat"
    return (
        f"| {family} | {np.median(seconds):.2f} | {max(seconds):.2f} | {np.median(triangles):.0f} | {max(triangles)} "
        f"| {angle} | {refused} |"
    )


if __name__ == "__main__":
    main()
