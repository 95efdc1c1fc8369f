"""What is in a package: a CycloneDX bill of materials, and the licences of all that ships."""

import json
import tomllib
from importlib.metadata import PathDistribution, distributions
from pathlib import Path
from typing import NamedTuple
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.dependency import Dependency
from cyclonedx.model.license import License
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

from build import archive
from build.wheels import ROOT

# What else a wheel brings is listed in a CycloneDX file of its own, where its makers wrote one (PEP 770).
_NESTED = "sboms"
_LICENCE_NAMES = ("LICEN[CS]E*", "COPYING*", "NOTICE*")


class Shipped(NamedTuple):
    """A distribution: its licence as its metadata says it, its licence texts by file name, what is compiled into it."""

    name: str
    version: str
    licence: str
    texts: dict[str, str]
    nested: list[Component]


def read(tree: Path) -> list[Shipped]:
    """The distributions that are installed in a tree, sorted; to be called before anything is pruned."""
    found = [_shipped(d) for d in distributions(path=[str(tree)]) if isinstance(d, PathDistribution)]
    return sorted(found, key=lambda shipped: shipped.name)


def _shipped(distribution: PathDistribution) -> Shipped:
    metadata, name = distribution.metadata.json, distribution.name.lower().replace("_", "-")
    classifiers = [c.rpartition(" :: ")[2] for c in metadata.get("classifier", []) if c.startswith("License ::")]
    licence = str(metadata.get("license_expression") or metadata.get("license") or ", ".join(classifiers))
    directory = (
        Path(str(distribution.locate_file("")))
        / f"{distribution.name.replace('-', '_')}-{distribution.version}.dist-info"
    )
    texts = {
        path.relative_to(directory).as_posix(): path.read_text(encoding="utf-8", errors="replace")
        for pattern in _LICENCE_NAMES
        for path in sorted(directory.rglob(pattern))
        if path.is_file()
    }
    nested = [c for path in sorted((directory / _NESTED).glob("*.json")) for c in _nested(path)]
    return Shipped(name, distribution.version, licence.splitlines()[0] if licence else "not said", texts, nested)


def _nested(path: Path) -> list[Component]:
    """The components of a wheel's own bill of materials, without what names the machine that it was built on."""
    document = json.loads(path.read_text(encoding="utf-8"))
    found = {
        (c["name"], c["version"]): Component(
            name=c["name"],
            version=c["version"],
            bom_ref=f"pkg:cargo/{c['name']}@{c['version']}",
            purl=PackageURL("cargo", None, c["name"], c["version"]),
            licenses=[_licence(choice["expression"]) for choice in c.get("licenses", []) if "expression" in choice][:1],
        )
        for c in document.get("components", [])
        if c.get("purl", "").startswith("pkg:cargo/")
    }
    return [found[key] for key in sorted(found)]


def _licence(text: str) -> License:
    return LicenseFactory().make_from_string(text)


def bill_of_materials(shipped: list[Shipped], packed: Path, tree: Path) -> str:
    """CycloneDX 1.6 as JSON, of an archive and the tree that it was packed from.

    The same content gives the same bytes: no clock, and a serial number that is a hash.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    root = Component(
        name=project["name"],
        version=project["version"],
        type=ComponentType.APPLICATION,
        bom_ref=project["name"],
        licenses=[_licence(project["license"])],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=archive.sha256(packed))],
    )
    manifest = json.loads((tree / "model/manifest.json").read_text(encoding="utf-8"))
    model = Component(
        name=manifest["name"],
        version=manifest["version"],
        type=ComponentType.MACHINE_LEARNING_MODEL,
        bom_ref="model",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=archive.sha256(tree / "model/model.tflite"))],
    )
    components = [_component(one) for one in shipped]
    bom = Bom(components=[model, *components], metadata=BomMetaData(component=root))
    bom.dependencies.add(Dependency(root.bom_ref, [Dependency(c.bom_ref) for c in (model, *components)]))
    document = json.loads(make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string())
    del document["metadata"]["timestamp"], document["serialNumber"]
    text = json.dumps(document, sort_keys=True)
    document["serialNumber"] = uuid5(NAMESPACE_URL, text).urn
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _component(shipped: Shipped) -> Component:
    return Component(
        name=shipped.name,
        version=shipped.version,
        bom_ref=f"pkg:pypi/{shipped.name}@{shipped.version}",
        purl=PackageURL("pypi", None, shipped.name, shipped.version),
        licenses=[_licence(shipped.licence)],
        components=shipped.nested,
    )


def licences(shipped: list[Shipped]) -> str:
    """Every licence that what ships asks to be handed on, in one text."""
    parts = ["fenlei\n\n" + (ROOT / "LICENSE").read_text(encoding="utf-8")]
    for one in shipped:
        parts.append(f"{'=' * 100}\n{one.name} {one.version}: {one.licence}\n")
        if not one.texts:
            parts.append("Its wheel carries no licence text.\n")
        parts += [f"{'-' * 100}\n{name}\n\n{text.rstrip()}\n" for name, text in one.texts.items()]
    return "\n".join(parts)
