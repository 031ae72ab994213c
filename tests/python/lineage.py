"""Says what is wrong with OpenLineage events, by a JSON Schema and by the classes of the project's own client.

The classes are made from the published schemas: a member that they do not know, or the lack of one that they want, is
refused by their constructors. The client itself, which would send events, is not loaded.
"""

import importlib
import importlib.util
import pathlib
import sys
import types
import typing

import jsonschema

from lake import answer, question

FACETS = {
    "run": {"errorMessage": "error_message_run", "processing_engine": "processing_engine_run"},
    "job": {"documentation": "documentation_job", "jobType": "job_type_job"},
    "dataset": {
        "columnLineage": "column_lineage_dataset",
        "schema": "schema_dataset",
        "storage": "storage_dataset",
        "symlinks": "symlinks_dataset",
        "version": "dataset_version_dataset",
    },
    "input": {
        "dataQualityAssertions": "data_quality_assertions_dataset",
        "inputStatistics": "input_statistics_input_dataset",
    },
    "output": {"outputStatistics": "output_statistics_output_dataset"},
}


def load(name: str) -> types.ModuleType:
    package = importlib.util.find_spec("openlineage")
    client = types.ModuleType("openlineage.client")
    client.__path__ = [str(pathlib.Path(place) / "client") for place in package.submodule_search_locations]
    sys.modules.setdefault("openlineage.client", client)
    return importlib.import_module(f"openlineage.client.generated.{name}")


def facet_class(module: str) -> type:
    """The facet of a module: its class whose schema has the name of a facet."""
    loaded = load(module)
    (found,) = [
        value
        for value in vars(loaded).values()
        if isinstance(value, type) and value.__module__ == loaded.__name__ and value.__name__.endswith("Facet")
    ]
    return found


def build(kind: object, value: object) -> object:
    """The value as an instance of a class, with what is in it."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return None if value is None else build(arguments[0], value)
    if origin is list:
        return [build(arguments[0], item) for item in value]
    if origin is dict:
        return {name: build(arguments[1], item) for name, item in value.items()}
    if isinstance(kind, type) and hasattr(kind, "__attrs_attrs__"):
        hints = typing.get_type_hints(kind)
        return kind(**{name: build(hints[name], item) for name, item in value.items()})
    if isinstance(kind, type) and kind is not typing.Any:
        whole = kind is float and isinstance(value, int)
        assert whole or isinstance(value, kind), f"{value!r} is no {kind.__name__}"
    return value


def facet_faults(place: str, level: str, facets: dict) -> list[str]:
    faults = []
    for name, body in facets.items():
        module = FACETS[level].get(name)
        if module is None:
            # What is ours alone says so by its name.
            if not name.startswith("etrplus_"):
                faults.append(f"{place}/{name}: not a facet that is checked here")
            continue
        kind = facet_class(module)
        content = {key: value for key, value in body.items() if not key.startswith("_")}
        try:
            build(kind, content)
        except (AssertionError, KeyError, TypeError, ValueError) as fault:
            faults.append(f"{place}/{name}: {fault}")
        if body["_schemaURL"] != kind._get_schema():
            faults.append(f"{place}/{name}: {body['_schemaURL']} is not {kind._get_schema()}")
    return faults


def event_faults(event: dict) -> list[str]:
    base = load("base")
    bare = {name: value for name, value in event.items() if name not in ("schemaURL", "eventType", "inputs", "outputs")}
    faults = []
    try:
        base.EventType[event["eventType"]]
        bare["run"] = base.Run(runId=event["run"]["runId"])
        bare["job"] = base.Job(namespace=event["job"]["namespace"], name=event["job"]["name"])
        base.RunEvent(**bare)
    except (KeyError, TypeError, ValueError) as fault:
        faults.append(f"event: {fault}")
    if event["schemaURL"] != base.RunEvent._get_schema():
        faults.append(f"event: {event['schemaURL']}")
    faults += facet_faults("run", "run", event["run"]["facets"])
    faults += facet_faults("job", "job", event["job"]["facets"])
    for side, members in (("inputs", "input"), ("outputs", "output")):
        for dataset in event[side]:
            place = f"{side}/{dataset['name']}"
            faults += facet_faults(place, "dataset", dataset["facets"])
            faults += facet_faults(place, members, dataset[f"{members}Facets"])
    return faults


def main() -> None:
    asked = question()
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    validator = jsonschema.Draft202012Validator(asked["schema"], format_checker=checker)
    faults = []
    for number, event in enumerate(asked["events"]):
        found = [f"{'/'.join(map(str, fault.path))}: {fault.message}" for fault in validator.iter_errors(event)]
        faults += [f"event {number}: {fault}" for fault in found + event_faults(event)]
    answer({"faults": faults})


main()
