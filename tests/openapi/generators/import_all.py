"""Imports every module of a package, which is how Python compiles it: `python3 import_all.py PACKAGE`."""

import importlib
import pkgutil
import sys


def every_module_of(name):
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, f"{name}."):
        importlib.import_module(module.name)


if __name__ == "__main__":
    every_module_of(sys.argv[1])
