# SPDX-License-Identifier: GPL-3.0-or-later
"""The built-in material families: a graph and a family's parameters in, what feeds the Principled shader out."""
