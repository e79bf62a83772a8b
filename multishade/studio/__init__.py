# SPDX-License-Identifier: Apache-2.0
"""Photos dropped on a local page -> normals, a mask to correct, a light to move, files: `multishade studio`."""

from multishade.extras import require

require("starlette", "uvicorn", extra="view")
