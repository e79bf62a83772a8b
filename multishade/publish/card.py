# SPDX-License-Identifier: Apache-2.0
"""Contents and statistics of a data set -> its card: README.md with the Hugging Face YAML and a data sheet."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from multishade.publish.contents import AssetUse, Contents
from multishade.publish.licences import OTHER
from multishade.report.document import (
    Block,
    Bullets,
    Caution,
    Code,
    Figure,
    Heading,
    Paragraph,
    Table,
    to_markdown,
)
from multishade.stats.check import Check

HUB_SPLITS = {"train": "train", "val": "validation", "test": "test"}
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
TAGS = (
    "normal-estimation",
    "photometric-stereo",
    "shading",
    "intrinsic-images",
    "synthetic",
    "blender",
    "webdataset",
    "croissant",
)
FILES = {
    "image_*": "the object under one light, linear radiance times exposure",
    "alpha.png": "coverage",
    "mask.png": "255 where the pixel's centre hits the object",
    "normal.exr": "normal with bump, camera frame, x right, y up, z toward the camera",
    "normal_geometry.exr": "normal without bump",
    "depth.exr": "distance along the view axis, infinite off the object",
    "shading.exr": "the shading sequence, one channel (photometric: three) for each light",
    "light_*": "the photometric sequence, one file for each light",
    "light_basis.exr": "the object under each light of a basis",
    "albedo.exr": "base colour of the material, linear",
    "roughness.exr": "roughness of the material",
    "metallic.exr": "metallic of the material",
    "position.exr": "place of the surface, camera frame, scene units",
    "object_index.png": "number of the mesh object",
    "meta.json": "camera, lights, object, material, exposure, conventions",
}
LIMITS = (
    "The pictures are rendered, not photographed: no lens blur, sensor noise or colour cast of a real camera. Results "
    "on photographs have to be measured on photographs.",
    "One object at a time in empty space: no ground, no contact shadow, no clutter.",
    "Ground truth is the renderer's own: exact for the scene that was rendered, whatever the object's model lacks "
    "(fur, thin parts, sub-surface scattering) is lacking in the truth, too.",
    "Opacity is decided at 0.5: each pixel has one normal and one depth.",
)
USES = (
    "training and evaluation of estimators of normals, depth and shading from one image or from several lights;",
    "studies of lighting, materials and exposure under known conditions.",
)
NOT_FOR = (
    "The objects show no persons by intention; those of collections were made by many authors and were not reviewed "
    "one by one. Recognition of persons or products is no use that the data were made for."
)


def front_matter(contents: Contents, preview: str | None) -> dict[str, Any]:
    """Return the YAML of the card.

    Args:
        contents: The data set.
        preview: Pattern of the preview's Parquet files, None if there is none.
    """
    split = HUB_SPLITS[contents.split]
    # `datasets` reads all configs of a repository by one builder: Parquet or WebDataset, not both.
    name, pattern = ("preview", preview) if preview is not None else ("default", "*.tar")
    configs = [{"config_name": name, "default": True, "data_files": [{"split": split, "path": pattern}]}]
    licence: dict[str, Any] = {"license": contents.licence.hub}
    if contents.licence.hub == OTHER:
        slug = re.sub(r"[^a-z0-9.]+", "-", contents.licence.name.lower()).strip("-.")
        licence |= {"license_name": slug or "see-card", "license_link": "README.md"}
    return {
        **licence,
        "pretty_name": contents.name,
        "annotations_creators": ["machine-generated"],
        "source_datasets": ["original"],
        "task_categories": ["image-to-image", "depth-estimation"],
        "tags": list(TAGS),
        "size_categories": [size_category(contents.samples)],
        "configs": configs,
    }


def size_category(samples: int) -> str:
    """Return the Hub's name of a size: 2,500 -> 1K<n<10K."""
    return next((name for limit, name in SIZES if samples < limit), "1M<n<10M")


def card_text(
    contents: Contents,
    checks: Sequence[Check],
    pictures: Mapping[str, tuple[str, str]],
    preview: str | None,
    samples_read: int,
    note: str = "",
) -> str:
    """Return README.md.

    Args:
        contents: The data set.
        checks: Its statistics against its recipe.
        pictures: Section -> (path of its figure beside the card, caption); "" is the contact sheet.
        preview: Pattern of the preview's files, None if there is none.
        samples_read: Number of samples that the statistics are of.
        note: Why checks of the manifests are missing, empty if they are not.
    """
    header = yaml.safe_dump(
        front_matter(contents, preview), sort_keys=False, allow_unicode=True, default_flow_style=False
    )
    blocks = [
        *_summary(contents, pictures),
        *_layout(contents, preview),
        *_recipe(contents),
        *_statistics(contents, checks, pictures, samples_read, note),
        Heading("Intended use"),
        Bullets(USES),
        Paragraph(NOT_FOR),
        Heading("Known limits"),
        Bullets([*LIMITS, *_limits(contents)]),
        *_licences(contents),
    ]
    return f"---\n{header}---\n\n{to_markdown(literal(contents.name), blocks)}"


def literal(text: str) -> str:
    """Escape what Markdown or HTML would interpret: names come from files of other people."""
    line = " ".join(text.split())
    return line if re.fullmatch(r"[\w., -]*", line) else re.sub(r"([\\`*_{}\[\]<>()#+!~$&])", r"\\\1", line)


def size_text(count: int) -> str:
    """Format a number of bytes: 5,300,000 -> 5.3 MB."""
    size = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def _summary(contents: Contents, pictures: Mapping[str, tuple[str, str]]) -> list[Block]:
    kinds = Counter(use.kind for use in contents.assets)
    lights = ", ".join(f"{name} ({count:,})" for name, count in contents.lights.items())
    blocks: list[Block] = [
        Paragraph(
            f"{contents.samples:,} samples in {len(contents.shards):,} shards ({size_text(contents.bytes)}), split "
            f"{contents.split}: {kinds['object']:,} objects, {kinds['material']:,} materials, "
            f"{kinds['environment']:,} environments. Each sample is one view of one object with images under several "
            "lights, normals, depth, mask and a shading sequence."
        ),
        Bullets(
            [
                f"camera: {'; '.join(f'{name} ({count:,} samples)' for name, count in contents.cameras.items())}",
                f"images by kind of light: {lights}",
                f"fingerprint: `{contents.record.fingerprint}`",
            ]
        ),
    ]
    return blocks + [Figure(*pictures[""])] * ("" in pictures)


def _layout(contents: Contents, preview: str | None) -> list[Block]:
    rows = [[f"`{name}`", _meaning(name)] for name in contents.fields]
    texts = [
        "With `multishade` any sample can be read by its key, from a folder or over the network: "
        '`multishade.Dataset("...")["KEY"]`. The conventions of axes, units and encodings are in the `meta.json` of '
        "each sample.",
        f"The tars are WebDataset shards. With `datasets` (EXR files come as bytes): `datasets.load_dataset("
        f'"webdataset", data_files={{"{HUB_SPLITS[contents.split]}": "hf://datasets/USER/NAME/*.tar"}}, '
        "streaming=True)`.",
        "`croissant.json` describes the files for Croissant, `.nv-meta/` and `*.tar.idx` are the index of "
        "Megatron-Energon.",
    ]
    if preview is not None:
        texts.append('`datasets.load_dataset("USER/NAME")` gives the preview: small JPEGs of some samples.')
    return [
        Heading("What is stored"),
        Table(("file of a sample", "holds"), rows, text_columns=2, wrap=True),
        Bullets(texts),
    ]


def _meaning(field: str) -> str:
    for name, text in FILES.items():
        if field == name or (name.endswith("*") and field.startswith(name[:-1])):
            return text
    return ""


def _recipe(contents: Contents) -> list[Block]:
    manifests = [[literal(name), f"`{digest[:16]}`"] for name, digest in contents.record.manifests.items()]
    return [
        Heading("Recipe"),
        Paragraph(
            "All settings that decide the data; with the same manifests they give the same bytes. `dataset.json` "
            "holds them for programs."
        ),
        Code(yaml.safe_dump(dict(contents.record.config), sort_keys=False, allow_unicode=True), "yaml"),
        Table(("manifest", "sha256 of its rows, first digits"), manifests, text_columns=2),
    ]


def _statistics(
    contents: Contents,
    checks: Sequence[Check],
    pictures: Mapping[str, tuple[str, str]],
    samples_read: int,
    note: str,
) -> list[Block]:
    suspect = [check for check in checks if not check.ok]
    blocks: list[Block] = [
        Heading("Statistics"),
        Paragraph(
            f"Measured on {samples_read:,} of {contents.samples:,} samples: {len(checks) - len(suspect)} of "
            f"{len(checks)} checks against the recipe hold."
        ),
    ]
    blocks += [
        Caution(literal(f"{check.what}: {check.measured}; expected: {check.expected}")) for check in suspect
    ]
    if note:
        blocks.append(Caution(literal(f"Not compared with the manifests: {note}")))
    for section, (path, caption) in pictures.items():
        if section:
            blocks += [Heading(section, 3), Figure(path, caption)]
    return blocks


def _limits(contents: Contents) -> list[str]:
    found = []
    if contents.failures:
        found.append(
            f"{contents.failures:,} groups could not be rendered and are left out; markers state why."
        )
    mode = contents.record.config["shading"]["mode"]
    if mode == "cast":
        found.append(
            "The shading sequence has cast shadows and no light from one part of the object to another."
        )
    elif mode == "lambert":
        found.append("The shading sequence is max(0, n · l): no cast shadows, no light between parts.")
    return found


def _licences(contents: Contents) -> list[Block]:
    licence = contents.licence
    counts = Counter(use.licence for use in contents.assets)
    listed = ", ".join(f"{literal(name)} ({count} assets)" for name, count in counts.most_common())
    blocks: list[Block] = [Heading("Licence and attribution")]
    if licence.reasons:
        blocks.append(
            Caution(
                f"No single licence meets the terms of all assets; the most restrictive is {literal(licence.name)}: "
                f"{literal('; '.join(licence.reasons))}."
            )
        )
    else:
        blocks.append(
            Paragraph(
                f"The samples may be used under {literal(licence.name)}, the most restrictive of: {listed}."
            )
        )
    blocks += [Caution(literal(note)) for note in contents.notes]
    rows = [_attribution(use) for use in contents.assets]
    header = ("kind", "asset", "licence", "samples", "title", "author", "source")
    return [
        *blocks,
        Paragraph("Every asset that is in a sample:"),
        Table(header, rows, len(header), wrap=True),
    ]


def _attribution(use: AssetUse) -> list[str]:
    credit = use.credit
    link = credit.link if re.fullmatch(r"https?://[^\s<>|()\"'`]+", credit.link) else literal(credit.link)
    texts = [use.kind, literal(use.id), literal(use.licence), f"{use.samples:,}"]
    return [*texts, literal(credit.title), literal(credit.author), link]
