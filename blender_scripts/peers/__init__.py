# SPDX-License-Identifier: GPL-3.0-or-later
"""Other ways to render the same images, with which `make bench-render` compares."""
