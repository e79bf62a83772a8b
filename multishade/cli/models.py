# SPDX-License-Identifier: Apache-2.0
"""`multishade models`: the models that are shipped, with their training data, errors and licences."""

import argparse

from multishade.cli.program import program

EPILOG = """examples:
  multishade models
  multishade models --json
  multishade infer photo.jpg --model wild

Errors are those of the last validation of a model's training, on validation sets of its own: they compare a model with
a constant normal, not with another model. `multishade evaluate` measures several on the same images."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "models",
        help="list the models that are shipped",
        description="List the models that are shipped with MultiShade: what they were trained on, their errors on the "
        "validation images of their training, size and licence, from the records beside the weights.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="everything that the records state, as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    import json
    from dataclasses import asdict

    from multishade.models.listing import list_bundled

    models = list_bundled()
    if args.json:
        print(json.dumps([asdict(model) for model in models], indent=2))
        return 0
    rows = [("model", "pixels", "MB", "mean error", "a constant", "images", "trained on", "licence")]
    for model in models:
        if not model.installed:
            rows.append((model.name, "", "", "", "", "", "not installed", ""))
            continue
        errors = model.errors or {}
        rows.append(
            (
                model.name,
                _text(model.size),
                _text(model.megabytes),
                _text(errors.get("mean_angle"), 2),
                _text(errors.get("constant_angle"), 2),
                _text(model.validation_samples),
                ", ".join(f"{name} ({count})" for name, count in (model.data or {}).items()) or "not stated",
                model.licence or "not stated",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print("\nerrors: degrees, on the validation images of the model's training; data sets with their samples")
    for model in models:
        print(f"{model.name}: {model.training_data or f'not installed; {model.remedy}'}")
    print(f"all that is recorded: {program()} models --json")
    return 0


def _text(value: float | None, digits: int | None = None) -> str:
    if value is None:
        return "-"
    return str(value) if digits is None else f"{value:.{digits}f}"
