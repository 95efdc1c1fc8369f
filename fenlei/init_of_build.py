"""The Lambda package. In a wheel this is build/__init__.py.

Without one, `build` would lose to the build tool of that name, wherever on the path that is. In the repository the tool
is to win, so that `python -m build` runs it.
"""
