# SPDX-License-Identifier: Apache-2.0
"""Losses of predictions against truth, per sample: (B, ...) -> (B,)."""
