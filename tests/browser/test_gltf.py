# SPDX-License-Identifier: Apache-2.0
"""surface.glb by Khronos' own validator (npm's gltf-validator, which `make test-browser` installs)."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from multishade.inference.predict import infer
from multishade.inference.results import results_of_prediction
from multishade.inference.write import Output, parse_formats, write_results
from tests.support.spheres import seen_sphere, sphere_prediction

REPOSITORY = Path(__file__).resolve().parents[2]
MODULES = Path(os.environ.get("MULTISHADE_NODE_MODULES") or REPOSITORY / "build" / "node" / "node_modules")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("node") is None or not (MODULES / "gltf-validator").is_dir(),
        reason="needs node and gltf-validator: make test-browser",
    ),
]
SCRIPT = """
const validator = require(process.argv[1]);
validator.validateBytes(new Uint8Array(require("fs").readFileSync(process.argv[2])))
  .then((report) => console.log(JSON.stringify(report.issues)));
"""


@pytest.mark.parametrize("what", ["a ball", "a ball in perspective", "a photograph"])
def test_the_validator_finds_nothing(tmp_path: Path, what: str) -> None:
    if what == "a photograph":
        coffee = Image.fromarray(skimage.data.coffee()).resize((300, 200))
        found = infer(np.asarray(coffee, np.float32) / 255)
    else:
        found = seen_sphere((90, 120), 40) if "perspective" in what else sphere_prediction()
    write_results(tmp_path, results_of_prediction(found, "poisson"), Output(parse_formats("glb")))
    command = ["node", "-e", SCRIPT, str(MODULES / "gltf-validator"), str(tmp_path / "surface.glb")]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    issues = json.loads(run.stdout)
    # Hints are about a texture whose sides are no powers of two; glTF 2.0 allows them.
    assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues["messages"][:5]
