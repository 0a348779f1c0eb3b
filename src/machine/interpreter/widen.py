# Isolated mode (-I) keeps modules of the current directory and of PYTHONPATH from being taken for the standard
# library's. What the environment adds is searched all the same, behind the standard library, as NumPy may be there.
import os
import site
import sys


def _widen():
    def is_installed(place):
        return os.path.basename(place).endswith("-packages")

    behind = next((at for at, place in enumerate(sys.path) if is_installed(place)), len(sys.path))
    installed = sys.path[behind:]
    del sys.path[behind:]
    sys.path += [place for place in os.environ.get("PYTHONPATH", "").split(os.pathsep) if os.path.isabs(place)]
    # A virtual environment without the system's packages has not the user's either.
    if len(site.PREFIXES) > 1 and not os.environ.get("PYTHONNOUSERSITE"):
        own = site.getusersitepackages()
        if os.path.isdir(own):
            site.addsitedir(own)
    sys.path += [place for place in installed if place not in sys.path]


_widen()
