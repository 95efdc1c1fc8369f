"""Tests have files whose names the C locale has no letters for, so pytest starts again in UTF-8 if need be.

pytest takes this for a plugin (pyproject.toml), because plugins are imported before output is captured and before
anything else is: Hypothesis and NumPy cannot even be imported there. What tests start is in the locale as it is.
"""

from fenlei.__main__ import start_again_in_utf8

start_again_in_utf8()
