# SPDX-License-Identifier: Apache-2.0
"""`multishade config`: settings in effect with their origin, of either kind of configuration, and the schemas."""

import json

import pytest

from multishade.cli import main


def test_settings_of_a_data_set_are_printed_with_their_origin(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "demo", "--set", "views.count=4"]) == 0
    lines = capsys.readouterr().out.splitlines()
    printed = {line.split(" = ")[0]: line.split("  # ")[1] for line in lines}
    assert printed["views.count"] == "--set views.count=4"
    assert printed["camera.width"].rpartition(":")[0].endswith("configs/demo.yaml")
    assert printed["render.crop"] == "default"


def test_a_training_configuration_is_recognised(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "rose-tiny"]) == 0
    assert "optimisation.steps = 600" in capsys.readouterr().out


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--schema"]) == 0
    assert "camera" in json.loads(capsys.readouterr().out)["properties"]
    assert main(["config", "--schema", "--train"]) == 0
    tasks = json.loads(capsys.readouterr().out)["allOf"]
    assert all("optimisation" in task["then"]["properties"] for task in tasks)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name a configuration"),
        (["demo", "--schema"], "leave CONFIG out"),
        (["demo", "--set", "views.cuont=4"], "unknown setting 'views.cuont'"),
    ],
)
def test_wrong_arguments_exit_with_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", *arguments]) == 2
    assert message in capsys.readouterr().err
