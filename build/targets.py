"""Where a package runs: Lambda's runtimes, and the base images for a container, with what their libraries offer.

The highest symbol versions follow from the C library and the compiler that each system was built with:

    Amazon Linux 2       glibc 2.26, GCC 7.3    Amazon Linux 2 release notes
    Amazon Linux 2023    glibc 2.34, GCC 11     Amazon Linux 2023 user guide, "glibc, gcc and binutils"
    Debian 12            glibc 2.36, GCC 12     packages libc6 and libstdc++6 of bookworm

GCC's own manual ("ABI Policy and Guidelines") says which GLIBCXX and CXXABI versions a GCC release brings; AWS Lambda's
developer guide ("Lambda runtimes") says which system a runtime is on: python3.12 to 3.14 are on Amazon Linux 2023. Both
read on 2026-11-23. Amazon Linux 2023 may have got a newer libstdc++ meanwhile; what Lambda's own image has, says

    docker run --rm --entrypoint sh public.ecr.aws/lambda/python:3.14 -c \
      "cat /usr/lib64/libc.so.6 /usr/lib64/libstdc++.so.6 | grep -aoE '(GLIBC|GLIBCXX|CXXABI)_[0-9.]+' | sort -Vu"

From GLIBCXX 3.4.30 on, ai-edge-litert 2.1.1 and later would load on arm64, and so python3.14 on arm64.
"""

from typing import NamedTuple

Version = tuple[int, ...]


class System(NamedTuple):
    """A Linux system, and the highest version of each family of symbols in its libraries."""

    name: str
    offers: dict[str, Version]


AMAZON_LINUX_2 = System("Amazon Linux 2", {"GLIBC": (2, 26), "GLIBCXX": (3, 4, 24), "CXXABI": (1, 3, 11)})
AMAZON_LINUX_2023 = System("Amazon Linux 2023", {"GLIBC": (2, 34), "GLIBCXX": (3, 4, 29), "CXXABI": (1, 3, 13)})
DEBIAN_12 = System("Debian 12", {"GLIBC": (2, 36), "GLIBCXX": (3, 4, 30), "CXXABI": (1, 3, 13)})

# The libraries that every one of these systems has; all others must be in the package.
SYSTEM_LIBRARIES = {
    "ld-linux-aarch64.so.1",
    "ld-linux-x86-64.so.2",
    "libc.so.6",
    "libdl.so.2",
    "libgcc_s.so.1",
    "libm.so.6",
    "libpthread.so.0",
    "librt.so.1",
    "libstdc++.so.6",
    "libutil.so.1",
    "libz.so.1",
}


class Target(NamedTuple):
    """A Python on a system; `brings_runtime` says whether Lambda's runtime client and boto3 are there already.

    Lambda's own runtimes, and the base images that AWS makes of them, have the package's root and its `lib` on
    LD_LIBRARY_PATH (developer guide, "Using Lambda environment variables"); other containers have not. What is not
    `zipped` goes into a container image, which has more room.
    """

    name: str
    python: str
    system: System
    brings_runtime: bool = True
    zipped: bool = True

    @property
    def library_path(self) -> tuple[str, ...]:
        """The directories of the package, below its root, where every library is looked for."""
        return (".", "lib") if self.brings_runtime else ()


TARGETS = {
    target.name: target
    for target in (
        Target("python3.11", "3.11", AMAZON_LINUX_2),
        Target("python3.12", "3.12", AMAZON_LINUX_2023),
        Target("python3.13", "3.13", AMAZON_LINUX_2023),
        Target("python3.14", "3.14", AMAZON_LINUX_2023),
        Target("image-python3.13", "3.13", AMAZON_LINUX_2023, zipped=False),
        Target("image-al2023", "3.11", AMAZON_LINUX_2023, brings_runtime=False, zipped=False),
        Target("image-debian12", "3.11", DEBIAN_12, brings_runtime=False, zipped=False),
    )
}


class Architecture(NamedTuple):
    """A processor as Lambda, the ELF format and Python's wheels call it."""

    name: str
    machine: str
    wheels: str


ARCHITECTURES = {
    "x86_64": Architecture("x86_64", "EM_X86_64", "x86_64"),
    "arm64": Architecture("arm64", "EM_AARCH64", "aarch64"),
}
