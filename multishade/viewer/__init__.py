# SPDX-License-Identifier: Apache-2.0
"""Data sets of any size -> a local web page to look through them: `multishade view`."""

from multishade.extras import require

require("starlette", "uvicorn", extra="view")
