# SPDX-License-Identifier: Apache-2.0
"""A YAML file and `--set` overrides -> one frozen, validated `Config`."""

from multishade.config.load import fingerprint_fields, load_config, load_settings
from multishade.config.models import Config

__all__ = ["Config", "fingerprint_fields", "load_config", "load_settings"]
