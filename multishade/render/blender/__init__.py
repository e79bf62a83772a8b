# SPDX-License-Identifier: Apache-2.0
"""The worker's side of the Blender child: start it, ask it, read its arrays, end it."""

from multishade.render.blender.process import BlenderChild
from multishade.render.blender.session import RenderedView, render_views

__all__ = ["BlenderChild", "RenderedView", "render_views"]
