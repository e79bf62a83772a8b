# SPDX-License-Identifier: GPL-3.0-or-later
"""A device name ("cpu", "optix", ...) -> Cycles set up to render on it, or an error that lists the devices."""

import bpy

GPU_KINDS = ("cuda", "optix", "hip", "oneapi", "metal")


class DeviceMissing(Exception):
    """Cycles does not find the requested device."""


def select(device: str) -> str:
    """Make `device` Cycles' compute device for this process; returns its name as Cycles prints it."""
    preferences = bpy.context.preferences.addons["cycles"].preferences
    if device == "cpu":
        preferences.compute_device_type = "NONE"
        return "CPU"
    devices = {}
    for kind in GPU_KINDS:
        try:
            devices[kind] = [entry.name for entry in _devices(preferences, kind)]
        except (TypeError, ValueError):
            continue  # this build of Blender does not support the kind
    if not devices.get(device):
        available = [f"{kind} ({', '.join(names)})" for kind, names in devices.items() if names]
        raise DeviceMissing(
            f"render.device is {device!r}, but Cycles finds no such device here; "
            f"available: {', '.join(['cpu', *available])}"
        )
    preferences.compute_device_type = device.upper()
    for entry in preferences.devices:
        entry.use = entry.type == device.upper()
    return ", ".join(devices[device])


def _devices(preferences: bpy.types.AddonPreferences, kind: str) -> list:
    return [entry for entry in preferences.get_devices_for_type(kind.upper()) if entry.type == kind.upper()]
