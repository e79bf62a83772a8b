# SPDX-License-Identifier: GPL-3.0-or-later
"""How others render the same images: what `make bench-render` measures us against."""
