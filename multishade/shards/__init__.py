# SPDX-License-Identifier: Apache-2.0
"""Samples, their fields and metadata, the tars that hold them, and the folder that holds the tars."""
