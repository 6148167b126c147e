"""One lazy lookup for every plug point: names to ``"module:attr"``, and entry points for outsiders.

Nothing is imported until a name is asked for, and nothing registers itself by being imported.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from results.errors import SrlmError, UsageError, did_you_mean


@dataclass(frozen=True)
class Table:
    """The names of one kind of part.

    Args:
        kind: what the parts are, in messages ("engine").
        group: entry-point group in which outside packages add theirs ("srlm.engines").
        entries: our own names, each a ``"module:attr"``.
        hints: for a name whose packages are an extra, the command that installs them.
    """

    kind: str
    group: str
    entries: Mapping[str, str]
    hints: Mapping[str, str]

    def names(self) -> dict[str, str]:
        """Every known name and where it comes from; an outside name may not take one of ours."""
        found = dict(self.entries)
        for point in entry_points(group=self.group):
            if point.name in found and found[point.name] != point.value:
                raise UsageError(
                    f"two parts are called {self.kind} {point.name!r}: {found[point.name]} and "
                    f"{point.value}; uninstall one of the packages"
                )
            found[point.name] = point.value
        return found

    def load(self, name: str) -> Any:
        """The part called ``name``, or named directly as ``module:attr``."""
        names = self.names()
        target = names.get(name) or (name if ":" in name and "/" not in name else None)
        if target is None:
            meant = did_you_mean(name, names)
            raise UsageError(
                f"unknown {self.kind} {name!r}{meant} (there are: {', '.join(sorted(names))})"
            )
        module, _, attr = target.partition(":")
        try:
            return getattr(importlib.import_module(module), attr)
        except ImportError as error:
            hint = self.hints.get(name, "install the package that brings it")
            raise SrlmError(f"{self.kind} {name!r} cannot be loaded ({error}); {hint}") from error
        except AttributeError as error:
            raise UsageError(f"{self.kind} {name!r}: {module} has no {attr!r}") from error


def require(packages: Sequence[str], who: str, hint: str) -> None:
    """Says before any work is done that ``who`` lacks one of ``packages``, without importing them.

    Raises:
        SrlmError: names the missing package and ``hint``, the command that installs it.
    """
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise SrlmError(f"{who} needs the package {package!r}, which is not installed; {hint}")


def construct(kind: str, name: str, factory: Any, options: Mapping[str, Any]) -> Any:
    """``factory(**options)``, refusing an option that it does not have.

    Raises:
        UsageError: unknown option (with the nearest name), a missing one, or a wrong value.
    """
    check_options(kind, name, factory, options)
    try:
        return factory(**options)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{kind} {name!r}: {' '.join(str(error).split())}") from error


def complete_options(
    kind: str, name: str, factory: Any, options: Mapping[str, Any], given: Sequence[str] = ()
) -> dict[str, Any]:
    """The options of ``factory`` as JSON data: checked by its annotations, defaults filled in.

    Args:
        kind: what the part is, in messages.
        name: how it is called.
        factory: the part; its parameters are its options.
        options: those that the user set.
        given: parameters that are not the user's to set.

    Raises:
        UsageError: unknown option (with the nearest name), a missing one, or a wrong value.
    """
    check_options(kind, name, factory, options, given)
    target = factory.__init__ if inspect.isclass(factory) else factory
    try:
        hints = get_type_hints(target, include_extras=True)
    except NameError:  # a stranger's annotation that needs an import we do not make
        hints = {}
    complete = dict(options)
    for parameter in inspect.signature(factory).parameters.values():
        key = parameter.name
        if key in given or parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        adapter: TypeAdapter[Any] = TypeAdapter(hints.get(key, Any))
        try:
            value = adapter.validate_python(options.get(key, parameter.default))
        except ValidationError as error:
            first = error.errors()[0]
            if first["input"] is None and first["type"] == "string_type":
                raise UsageError(
                    f"{kind} {name!r} needs the option {key!r}: it is not set"
                ) from error
            raise UsageError(
                f"{kind} {name!r}: option {key}: {first['msg']}, found {first['input']!r}"
            ) from error
        complete[key] = adapter.dump_python(value, mode="json")
    return complete


def check_options(
    kind: str, name: str, factory: Any, options: Mapping[str, Any], given: Sequence[str] = ()
) -> None:
    """Raises UsageError on an option that ``factory`` does not have, and on a missing one.

    Parameters in ``given`` are set by the caller: naming one as an option is refused too.
    """
    parameters = inspect.signature(factory).parameters
    for option in options:
        if option in given:
            raise UsageError(f"{kind} {name!r}: {option!r} is not an option: it is set elsewhere")
    known = {key: p for key, p in parameters.items() if key not in given}
    if not any(p.kind is p.VAR_KEYWORD for p in known.values()):
        for option in options:
            if option not in known:
                meant = did_you_mean(option, known)
                raise UsageError(
                    f"{kind} {name!r} has no option {option!r}{meant} "
                    f"(there are: {', '.join(sorted(known))})"
                )
    missing = [
        p.name
        for p in known.values()
        if p.default is p.empty
        and p.name not in options
        and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    ]
    if missing:
        raise UsageError(f"{kind} {name!r} needs the option {missing[0]!r}: it is not set")
