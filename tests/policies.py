"""IAM as it decides: what the policies of a role let it do, AWS's managed policies among them.

It knows the part of the policy language that the templates use and refuses what it does not know.
"""

import json
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

Statement = dict[str, Any]
Context = Mapping[str, str]
OPERATORS = {
    "StringEquals": str.__eq__,
    "StringLike": fnmatchcase,
    "ArnEquals": fnmatchcase,
    "ArnLike": fnmatchcase,
    "Bool": lambda found, wanted: found.lower() == str(wanted).lower(),
}


def many(one: Any) -> list[Any]:
    return one if isinstance(one, list) else [one]


@cache
def managed(arn: str) -> tuple[Statement, ...]:
    """The statements of a policy that AWS publishes; moto carries them all."""
    from moto.iam.aws_managed_policies import aws_managed_policies_data

    assert arn.startswith("arn:aws:iam::aws:policy/"), arn
    document = json.loads(aws_managed_policies_data)[arn.rpartition("/")[2]]["Document"]
    return tuple(many(document["Statement"]))


def statements(role: dict[str, Any]) -> list[Statement]:
    """All that a role's policies state, its own and AWS's."""
    own = [one for policy in role.get("Policies", []) for one in many(policy["PolicyDocument"]["Statement"])]
    return own + [one for arn in role.get("ManagedPolicyArns", []) for one in managed(arn)]


def actions(stated: Iterable[Statement]) -> set[str]:
    """The actions that are named, with their wildcards."""
    return {action for one in stated for action in many(one["Action"])}


def allowed(stated: Iterable[Statement], action: str, resource: str, context: Context | None = None) -> bool:
    """Whether IAM lets somebody with these statements do this to that."""
    effects = {one["Effect"] for one in stated if _applies(one, action, resource, context or {})}
    return effects == {"Allow"}


def trusted(document: dict[str, Any], service: str, context: Context) -> bool:
    """Whether a role's or a queue's policy lets a service in that comes with this context."""
    return any(
        one["Effect"] == "Allow"
        and service in many(one["Principal"].get("Service", []))
        and _met(one.get("Condition", {}), context)
        for one in many(document["Statement"])
    )


def _applies(statement: Statement, action: str, resource: str, context: Context) -> bool:
    assert not {"NotAction", "NotResource", "NotPrincipal"} & set(statement)
    return (
        any(fnmatchcase(action.lower(), pattern.lower()) for pattern in many(statement["Action"]))
        and any(fnmatchcase(resource, pattern) for pattern in many(statement["Resource"]))
        and _met(statement.get("Condition", {}), context)
    )


def _met(conditions: dict[str, dict[str, Any]], context: Context) -> bool:
    return all(
        key in context and any(OPERATORS[operator](context[key], wanted) for wanted in many(values))
        for operator, tests in conditions.items()
        for key, values in tests.items()
    )
