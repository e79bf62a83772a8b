# SPDX-License-Identifier: Apache-2.0
"""A data set's folder -> what hubs and other loaders need: card, Croissant, Energon index, preview, upload."""
