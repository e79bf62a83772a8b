# SPDX-License-Identifier: Apache-2.0
"""Colour, exposure, image files and pictures."""
