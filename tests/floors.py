"""An import-linter contract: every module has a floor, and imports from its own or a lower one only.

Unlike the layers that import-linter has, a floor may hold a package and another single modules of that
package: the longest name that fits a module decides. No module imports itself in a circle, either, so that
the order in which modules are loaded never matters. An import inside a function counts as any other.
"""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class FloorsContract(Contract):
    """`floors`: from the top, each `name: module module ...`; `=module` is without what is below it."""

    type_name = "floors"

    floors = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Every import of every module, directly: with a floor for each that is enough."""
        height = self._heights()
        breaches, homeless = [], []
        floor_of: dict[str, tuple[int, str]] = {}
        for module in sorted(graph.modules):
            names = [f"={module}", module]
            while "." in names[-1]:
                names.append(names[-1].rpartition(".")[0])
            known = [name for name in names if name in height]
            if known:
                floor_of[module] = height[known[0]]
            else:
                homeless.append(module)
        imports = {m: sorted(graph.find_modules_directly_imported_by(m)) for m in floor_of}
        for module, imported in imports.items():
            for other in imported:
                if other in floor_of and floor_of[other][0] > floor_of[module][0]:
                    lines = [
                        str(detail["line_number"])
                        for detail in graph.get_import_details(importer=module, imported=other)
                    ]
                    breaches.append(
                        f"{module}:{','.join(lines)} ({floor_of[module][1]}) "
                        f"imports {other} ({floor_of[other][1]})"
                    )
        unused = sorted(set(height) - _fitting(graph.modules, set(height)))
        circle = _circle(imports)
        return ContractCheck(
            kept=not (breaches or homeless or unused or circle),
            metadata={
                "breaches": breaches,
                "homeless": homeless,
                "unused": unused,
                "circle": circle,
            },
        )

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Each breach in a line."""
        for breach in check.metadata["breaches"]:
            output.print_error(f"- {breach}")
        for module in check.metadata["homeless"]:
            output.print_error(f"- {module} is on no floor")
        for name in check.metadata["unused"]:
            output.print_error(f"- there is no module {name}")
        if check.metadata["circle"]:
            output.print_error(f"- a circle: {' imports '.join(check.metadata['circle'])}")
        output.new_line()

    def _heights(self) -> dict[str, tuple[int, str]]:
        """(height, name of the floor) of each name; the lowest floor is 0."""
        heights = {}
        floors = list(self.floors)
        for height, floor in enumerate(reversed(floors)):
            name, _, modules = floor.partition(":")
            heights |= dict.fromkeys(modules.split(), (height, name))
        return heights


def _fitting(modules: set[str], names: set[str]) -> set[str]:
    """The names that at least one module has."""
    return {name for name in names if name.removeprefix("=") in modules}


def _circle(imports: dict[str, list[str]]) -> list[str]:
    """The modules of one circle, the first one twice; empty when there is none."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return list(reversed(error.args[1]))
    return []
