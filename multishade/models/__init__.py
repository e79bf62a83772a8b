# SPDX-License-Identifier: Apache-2.0
"""Trained models: networks, their settings, and how they are stored and loaded.

from multishade.models import load_model

model = load_model()  # the bundled one
prediction = model.predict(Inputs(image=photos))  # multishade.models.base

Importing this imports no torch.
"""

from multishade.models.registry import load_model

__all__ = ["load_model"]
