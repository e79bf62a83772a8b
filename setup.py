# SPDX-License-Identifier: Apache-2.0
"""What pyproject.toml cannot express: the recipes and manifests of the top level become data of the package."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SHIPPED = ("configs", "assets_manifest")


class BuildPackage(build_py):
    """Copy the folders into `multishade/shipped`; an editable install reads them where they are."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            for name in SHIPPED:
                shutil.copytree(name, Path(self.build_lib, "multishade", "shipped", name), dirs_exist_ok=True)


setup(cmdclass={"build_py": BuildPackage})
