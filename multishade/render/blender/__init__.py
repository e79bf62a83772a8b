# SPDX-License-Identifier: Apache-2.0
"""The worker's side of the pipe to Blender: start a process, send requests, read the arrays, end it."""

from multishade.render.blender.process import BlenderProcess
from multishade.render.blender.session import render_views
from multishade.render.blender.views import RenderedView

__all__ = ["BlenderProcess", "RenderedView", "render_views"]
