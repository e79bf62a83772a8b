# SPDX-License-Identifier: Apache-2.0
"""The files for clusters are what their readers take: schemas of Kubernetes and KubeRay, Dockerfile, shell."""

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from multishade.cli.render import add_parser
from multishade.config import load_config

ROOT = Path(__file__).resolve().parents[2]
CLUSTER = ROOT / "cluster"
SCHEMA = json.loads((Path(__file__).parent / "rayjob.schema.json").read_text())
MANIFESTS = sorted((CLUSTER / "kuberay").glob("*.yaml"))


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text())
    return content


def pods(job: dict[str, Any]) -> list[dict[str, Any]]:
    """The templates of all pods of a RayJob."""
    cluster = job["spec"]["rayClusterSpec"]
    return [group["template"] for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])]


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_a_manifest_is_a_rayjob(path: Path) -> None:
    job = read(path)
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    jsonschema.validate(job["spec"], SCHEMA)
    with pytest.raises(jsonschema.ValidationError, match="entrypont"):
        jsonschema.validate({**job["spec"], "entrypont": ""}, SCHEMA)


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_its_command_is_one_that_render_takes(path: Path) -> None:
    import argparse

    words = shlex.split(read(path)["spec"]["entrypoint"])
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    args = parser.parse_args(words[1:])
    assert words[0] == "multishade" and args.address == "auto"
    config = load_config(ROOT / args.config, args.overrides)
    assert (config.render.device == "cpu") == (args.gpus_per_worker == 0)
    worker = pods(read(path))[1]["spec"]["containers"][0]["resources"]["limits"]
    assert int(worker.get("nvidia.com/gpu", 0)) == args.gpus_per_worker
    assert int(worker["cpu"]) >= args.cpus_per_worker


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_every_mount_has_a_volume_and_every_volume_a_mount(path: Path) -> None:
    for pod in pods(read(path)):
        mounted = {mount["name"] for box in pod["spec"]["containers"] for mount in box["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["spec"]["volumes"]}


def test_the_dockerfile_copies_and_installs_what_is_there() -> None:
    text = (CLUSTER / "Dockerfile").read_text()
    assert "--constraint constraints.txt" in text and (ROOT / "constraints.txt").is_file()
    project = (ROOT / "pyproject.toml").read_text()
    for extra in re.findall(r'"\.\[(\w+)\]"', text):
        assert f"\n{extra} = [" in project
    ignored = (CLUSTER / "Dockerfile.dockerignore").read_text().split()
    assert {".git", ".venv", "data", "out"} <= set(ignored)
    assert not {"multishade", "blender_scripts", "configs", "assets_manifest", "setup.py"} & set(ignored)


@pytest.mark.parametrize("path", sorted((CLUSTER / "slurm").glob("*.sh")), ids=lambda path: path.name)
def test_scripts_are_bash(path: Path) -> None:
    assert os.access(path, os.X_OK)
    subprocess.run(["bash", "-n", path], check=True)
    options = re.findall(r"^#SBATCH (--[a-z-]+)", path.read_text(), re.MULTILINE)
    assert len(options) == len(set(options)) > 5


@pytest.mark.slow
def test_validators_take_pods_and_dockerfile() -> None:
    """kubernetes-validate holds the schemas of Kubernetes; hadolint parses the Dockerfile."""
    for tool in ("kubernetes-validate", "hadolint"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed; `make test-cluster` does")
    for path in MANIFESTS:
        for number, pod in enumerate(pods(read(path))):
            whole = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"pod-{number}"}, **pod}
            done = subprocess.run(
                ["kubernetes-validate", "--strict", "-"],
                input=yaml.safe_dump(whole),
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            broken = {**whole, "spec": {**whole["spec"], "contaners": []}}
            refused = subprocess.run(
                ["kubernetes-validate", "--strict", "-"],
                input=yaml.safe_dump(broken),
                capture_output=True,
                text=True,
            )
            assert refused.returncode != 0
    subprocess.run(["hadolint", CLUSTER / "Dockerfile"], check=True)
