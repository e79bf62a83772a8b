# SPDX-License-Identifier: Apache-2.0
"""The worker's side of the Blender child: start it, ask it, read its arrays, end it."""

from multishade.blender.child import BlenderChild
from multishade.blender.view import RenderedView, render_views

__all__ = ["BlenderChild", "RenderedView", "render_views"]
