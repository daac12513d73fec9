"""Packaging: the dependencies that the package asks for. What is installed is pinned, with hashes, in requirements.lock."""

import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

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


class WithDbtProject(build_py):
    """The package with the dbt project inside, which lies beside it in the checkout. An editable install uses the checkout's."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            inside = Path(self.build_lib) / "ecommerce_platform" / "dbt_project"
            shutil.rmtree(inside, ignore_errors=True)
            shutil.copytree(HERE / "dbt_project", inside, ignore=shutil.ignore_patterns("target", "logs"))


setup(
    version=VERSION,
    packages=find_packages(include=["ecommerce_platform", "ecommerce_platform.*"]),
    package_data={
        "ecommerce_platform": [
            *(
                "contracts/sources/*.yaml",
                "operations/*.yaml",
                "project_template/*",
                "spark/*.properties",
                "spark/*.sh",
            ),
            *("**/*.json", "**/*.sql", "**/*.html"),
        ]
    },
    install_requires=REQUIREMENTS[:END_OF_RUNTIME],
    cmdclass={"build_py": WithDbtProject},
)
