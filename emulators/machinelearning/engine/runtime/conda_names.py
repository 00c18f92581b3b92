"""Which conda packages PyPI has under another name, which come with any Python, which it lacks."""

from fnmatch import fnmatchcase

RENAMED = {
    "black-jupyter": "black[jupyter]",
    "blas": None,
    "dask-core": "dask",
    "jupyter_client": "jupyter-client",
    "keras-gpu": "keras",
    "matplotlib-base": "matplotlib",
    "msgpack-python": "msgpack",
    "opencv": "opencv-python-headless",
    "protobuf3": "protobuf",
    "psycopg2": "psycopg2-binary",
    "py-lightgbm": "lightgbm",
    "py-opencv": "opencv-python-headless",
    "py-xgboost": "xgboost",
    "py-xgboost-cpu": "xgboost",
    "py-xgboost-gpu": "xgboost",
    "pyarrow-core": "pyarrow",
    "python-blosc": "blosc",
    "python-graphviz": "graphviz",
    "pytables": "tables",
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "pytorch-gpu": "torch",
    "tensorflow-base": "tensorflow",
    "tensorflow-gpu": "tensorflow",
    "tensorflow-mkl": "tensorflow",
    "uvicorn-standard": "uvicorn[standard]",
}
"""Conda name -> PyPI requirement name; None when there is nothing to install."""

COMES_ALONG = (
    "_libgcc_mutex",
    "_openmp_mutex",
    "bzip2",
    "ca-certificates",
    "cpuonly",
    "intel-openmp",
    "ld_impl_*",
    "libblas",
    "libcblas",
    "libffi",
    "libgcc",
    "libgcc-ng",
    "libgfortran*",
    "libgomp",
    "liblapack",
    "libopenblas",
    "libsqlite",
    "libstdcxx-ng",
    "libuuid",
    "libzlib",
    "llvm-openmp",
    "mkl",
    "ncurses",
    "nomkl",
    "openblas",
    "openssl",
    "pip",
    "python_abi",
    "readline",
    "sqlite",
    "tk",
    "tzdata",
    "xz",
    "zlib",
)
"""Conda packages that wheels or the interpreter already carry, or that only steer conda itself."""

ABSENT = (
    "*-devel",
    "binutils*",
    "clang*",
    "compilers",
    "cuda",
    "cuda-*",
    "cudatoolkit*",
    "cudnn",
    "ffmpeg",
    "gcc*",
    "gdal",
    "gfortran*",
    "git",
    "graphviz",
    "gxx*",
    "java-*",
    "julia",
    "libgdal",
    "libtorch*",
    "m2w64-*",
    "make",
    "mpich",
    "nccl",
    "nodejs",
    "openjdk",
    "openmpi",
    "perl",
    "postgresql",
    "pytorch-cuda",
    "r-*",
    "unixodbc",
)
"""Conda packages that are no Python package, so that no virtual environment can hold them."""


def _any(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def comes_along(name: str) -> bool:
    """Tell whether a virtual environment has what this conda package stands for anyway."""
    return _any(name, COMES_ALONG) or (name in RENAMED and RENAMED[name] is None)


def absent(name: str) -> bool:
    """Tell whether PyPI is known to have no counterpart of this conda package."""
    return _any(name, ABSENT)


def on_pypi(name: str) -> str:
    """Return the PyPI name of a conda package; the same name unless known otherwise."""
    return RENAMED.get(name) or name
