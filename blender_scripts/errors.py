# SPDX-License-Identifier: GPL-3.0-or-later
"""The errors that name an asset as the cause: the group fails, the process stays usable."""


class ObjectUnusable(Exception):
    """The object's file cannot be rendered as it is; the message says what is wrong with it."""
