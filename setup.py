"""Packaging: the dependencies that the package asks for. What is installed is pinned, with hashes, in requirements.lock."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = next(
    line.split('"')[1]
    for line in (HERE / "ecommerce_platform" / "__init__.py").read_text().splitlines()
    if line.startswith("__version__")
)
REQUIREMENTS = [
    line.split("#")[0].strip()
    for line in (HERE / "requirements.in").read_text().splitlines()
    if line.split("#")[0].strip()
]
END_OF_RUNTIME = next((i for i, line in enumerate(REQUIREMENTS) if line.startswith("pytest")), len(REQUIREMENTS))

setup(
    version=VERSION,
    packages=find_packages(include=["ecommerce_platform", "ecommerce_platform.*"]),
    package_data={
        "ecommerce_platform": ["contracts/*.yaml", "spark/*.properties", "**/*.json", "**/*.sql", "**/*.html"]
    },
    install_requires=REQUIREMENTS[:END_OF_RUNTIME],
)
