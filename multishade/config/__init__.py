# SPDX-License-Identifier: Apache-2.0
"""A YAML file or the name of a shipped recipe, and overrides -> one frozen, validated `Config`."""

from multishade.config.fingerprint import fingerprint_fields
from multishade.config.load import load_config, load_settings, override_config
from multishade.config.models import Config

__all__ = ["Config", "fingerprint_fields", "load_config", "load_settings", "override_config"]
