# SPDX-License-Identifier: Apache-2.0
"""Trained models: networks, their settings, and how they are stored and loaded."""
