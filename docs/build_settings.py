# SPDX-License-Identifier: Apache-2.0
"""The classes of settings -> docs/settings.md, and configs/schema/*.json for editors.

python docs/build_settings.py            # write them (`make docs`)
python docs/build_settings.py --check    # exit code 1 if one is out of date or a setting has no meaning (`make lint`)
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from multishade.config import Config
from multishade.config.schema import (
    Setting,
    SettingsSection,
    editor_schema,
    schema_text,
    sections_of,
    task_schema,
)
from multishade.training.tasks import DEFAULT, settings_types

REPOSITORY = Path(__file__).resolve().parent.parent
PAGE = Path("docs/settings.md")
INTRODUCTION = """\
<!-- Written by `make docs` from the classes of settings. Edit their descriptions, then run it again. -->
# Settings

A configuration is a YAML file. Each section below is a section of the file, and `lights.point.count` is the setting
`count` of the section `point` of the section `lights`. A file that begins with `extends: other.yaml` holds only what
differs from that file. `--set lights.point.count=2` overrides a setting for one run.

<!-- run -->
```
multishade configs                               # list the shipped recipes
multishade config demo --set views.count=4       # print all settings in effect, and where each comes from
```

Two numbers are a range `[low, high]`, from which a value is sampled unless the meaning states otherwise. Lengths are in
scene units: the object's bounding sphere has radius 0.5. Editors with a YAML language server complete and check a file
whose first lines contain `# yaml-language-server: $schema=FILE`; the schemas are `configs/schema/recipe.json` and
`configs/schema/train.json`, which `multishade config --schema` and `multishade config --schema --train` print.
"""
TRAINING = "Of `multishade train` and all recipes in `configs/train/`."


def files() -> dict[Path, str]:
    """The text of every generated file by its path in the repository."""
    return {
        PAGE: page(),
        Path("configs/schema/recipe.json"): schema_text(editor_schema(Config, "MultiShade: data sets")),
        Path("configs/schema/train.json"): schema_text(
            task_schema(settings_types(), DEFAULT, "MultiShade: training runs")
        ),
    }


def page() -> str:
    """The text of docs/settings.md."""
    parts = [
        INTRODUCTION,
        "\n## Data sets\n\nOf `multishade render`, `plan` and all recipes in `configs/`.\n",
    ]
    parts += [_describe(section) for section in sections_of(Config)]
    parts.append(f"\n## Training runs\n\n{TRAINING}\n")
    types = settings_types()
    common = sections_of(types[DEFAULT])
    parts += [_describe(section) for section in common]
    for name in types:
        other = [section for section in sections_of(types[name]) if section not in common]
        if other:
            parts.append(
                f"\n## Training runs with `task: {name}`\n\nOnly sections that differ from those above.\n"
            )
            parts += [_describe(section) for section in other]
    return "".join(parts)


def without_meaning() -> Iterator[str]:
    """The settings and sections that have no description."""
    for kind, model in {"data sets": Config, **settings_types()}.items():
        for section in sections_of(model):
            if not section.meaning:
                yield f"{kind}: the section {section.name or 'at the top'} has no docstring"
            for setting in section.settings:
                if not setting.meaning:
                    yield f"{kind}: {setting.name} has no description"


def _describe(section: SettingsSection) -> str:
    title = f"\n### {section.name or 'Top level'}\n\n{section.meaning}\n"
    if not section.settings:
        return title
    rows = "".join(_row(setting) for setting in section.settings)
    return (
        f"{title}\n| setting | unit | values | default | meaning |\n| --- | --- | --- | --- | --- |\n{rows}"
    )


def _row(setting: Setting) -> str:
    default = f"`{setting.default}`" if setting.default else "must be given"
    name = setting.name.rpartition(".")[2]
    cells = (f"`{name}`", setting.unit, setting.range, default, setting.meaning)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="compare with the files, write nothing")
    check = parser.parse_args().check
    problems = list(without_meaning())
    for path, text in files().items():
        place = REPOSITORY / path
        if not check:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
            print(path)
        elif not place.is_file() or place.read_text(encoding="utf-8") != text:
            problems.append(f"{path} is out of date: run `make docs` and commit it")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
