# SPDX-License-Identifier: MIT
"""Where the source of code is that this interpreter was built with."""

import sys

NAMES = {"importlib._bootstrap": "_frozen_importlib",
         "importlib._bootstrap_external": "_frozen_importlib_external"}


def source_of(file):
    """The __file__ of the module of "<frozen NAME>" where it has one, else the same."""
    if not file.startswith("<frozen "):
        return file
    name = file[len("<frozen "):-1]
    return getattr(sys.modules.get(NAMES.get(name, name)), "__file__", None) or file
