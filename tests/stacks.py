"""Stacks as CloudFormation makes them: parameters, conditions and mappings said, and each resource with a name.

What the stack of each environment of samconfig.toml comes to, with the stacks in it, and one more in which every
option is taken.
"""

import re
import tomllib
from collections.abc import Callable
from functools import cache, cached_property
from typing import Any, ClassVar

from cloudformation import translated_file
from support import ROOT

REGION, ACCOUNT = "eu-central-1", "123456789012"
PSEUDO = {"AWS::Region": REGION, "AWS::AccountId": ACCOUNT, "AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com"}
NOTHING = {"Ref": "AWS::NoValue"}
NESTED = {"Bulk": "infra/bulk.yaml", "Observability": "infra/observability.yaml"}

KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f"
MODEL_KEY = KEY.replace("0a1b2c3d-", "9f8e7d6c-")
SIGNING_KEY = KEY.replace("0a1b2c3d-", "51619000-")
# Every option that a parameter turns on; the name is as long as one may be.
OPTIONS = {
    "KmsKeyArn": KEY,
    "PermissionsBoundaryArn": f"arn:aws:iam::{ACCOUNT}:policy/fenlei-delivery-options-Boundary-1A2B3C4D5E6F",
    "ModelUri": "s3://models/large.tar.gz",
    "FeedbackUri": "s3://said-by-callers/fenlei/",
    "ModelSha256": "0" * 64,
    "ModelKmsKeyArn": MODEL_KEY,
    "ProvisionedConcurrency": "5",
    "SnapStart": "None",
    "AlarmTopicArn": f"arn:aws:sns:{REGION}:{ACCOUNT}:wake-somebody",
    "WebAclArn": f"arn:aws:wafv2:{REGION}:{ACCOUNT}:regional/webacl/ours/0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f",
    "DomainName": "classify.example.com",
    "CertificateArn": f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f",
}
# And what excludes one of those.
REGISTRY = {
    "ModelRegistry": "s3://models/reviews/",
    "ModelKmsKeyArn": MODEL_KEY,
    "ModelSigningKeyArn": SIGNING_KEY,
}
# Who may call, if not who has a key.
ACCESS = {
    "iam": {"Auth": "iam", "OpenPages": "false"},
    "jwt": {
        "Auth": "jwt",
        "UserPoolArn": f"arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/{REGION}_0a1B2c3D4",
        "TokenScope": "fenlei/classify",
    },
    "tokens": {
        "Auth": "jwt",
        "AuthorizerArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:fenlei-tokens-AuthorizerFunction-1A2B3C4D5E6F",
        "TokenPlans": "true",
    },
    "private": {"Auth": "iam", "VpcEndpointId": "vpce-0a1b2c3d4e5f60718"},
}
LONGEST = "fenlei-" + "o" * 42

# The ARNs of what has one, by type; and the properties that name a resource, where the template does.
ARNS = {
    "AWS::ApiGateway::Account": "apigateway:{region}::/account",
    "AWS::ApiGateway::ApiKey": "apigateway:{region}::/apikeys/{name}",
    "AWS::ApiGateway::DomainName": "apigateway:{region}::/domainnames/{name}",
    "AWS::ApiGateway::RestApi": "apigateway:{region}::/restapis/{name}",
    "AWS::ApiGateway::UsagePlan": "apigateway:{region}::/usageplans/{name}",
    "AWS::CloudFormation::Stack": "cloudformation:{region}:{account}:stack/{name}/0a1b2c3d",
    "AWS::CloudWatch::Alarm": "cloudwatch:{region}:{account}:alarm:{name}",
    "AWS::CloudWatch::Dashboard": "cloudwatch::{account}:dashboard/{name}",
    "AWS::CodeDeploy::Application": "codedeploy:{region}:{account}:application:{name}",
    "AWS::CodeDeploy::DeploymentGroup": "codedeploy:{region}:{account}:deploymentgroup:{ApplicationName}/{name}",
    "AWS::Events::Rule": "events:{region}:{account}:rule/{name}",
    "AWS::IAM::ManagedPolicy": "iam::{account}:policy/{name}",
    "AWS::IAM::Role": "iam::{account}:role/{name}",
    "AWS::Lambda::Alias": "lambda:{region}:{account}:function:{FunctionName}:live",
    "AWS::Lambda::EventSourceMapping": "lambda:{region}:{account}:event-source-mapping:0a1b2c3d",
    "AWS::Lambda::Function": "lambda:{region}:{account}:function:{name}",
    "AWS::Lambda::Version": "lambda:{region}:{account}:function:{FunctionName}:1",
    "AWS::Logs::LogGroup": "logs:{region}:{account}:log-group:{name}:*",
    "AWS::S3::Bucket": "s3:::{name}",
    "AWS::SQS::Queue": "sqs:{region}:{account}:{name}",
    "AWS::StepFunctions::StateMachine": "states:{region}:{account}:stateMachine:{name}",
    "AWS::WAFv2::WebACLAssociation": "wafv2:{region}:{account}:regional/webacl/ours/0a1b2c3d",
}
NAMED_BY = {
    "AWS::ApiGateway::DomainName": "DomainName",
    "AWS::ApiGateway::Stage": "StageName",
    "AWS::CloudWatch::Dashboard": "DashboardName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::StepFunctions::StateMachine": "StateMachineName",
}
# Whose `Ref` is an ARN; a queue's is an address; all others' is the name.
REF_IS_ARN = (
    *("AWS::CloudFormation::Stack", "AWS::IAM::ManagedPolicy", "AWS::Lambda::Alias", "AWS::Lambda::Version"),
    "AWS::StepFunctions::StateMachine",
)

# `look(name, attribute)` says what a reference to a resource comes to; without it, references stay.
Look = Callable[[str, str | None], Any] | None


class Stack:
    """A translated template with parameters: what is made of it."""

    def __init__(self, path: str, name: str, given: dict[str, Any], template: dict[str, Any] | None = None) -> None:
        self.path, self.name = path, name
        self.template = template or translated_file(path)
        self.parameters = {
            key: given.get(key, one.get("Default")) for key, one in self.template.get("Parameters", {}).items()
        }
        assert set(given) <= set(self.parameters), (path, set(given) - set(self.parameters))

    @cached_property
    def settled(self) -> dict[str, Any]:
        """The template with all that is known before anything is made; references to resources stay."""
        return {"AWSTemplateFormatVersion": "2010-09-09", "Resources": self._resources(None)}

    @cached_property
    def resources(self) -> dict[str, dict[str, Any]]:
        """The resources with nothing left to be said: names and ARNs as AWS might give them."""
        return self._resources(self.look)

    def _resources(self, look: Look) -> dict[str, dict[str, Any]]:
        return {
            name: {key: self.said(part, look) for key, part in one.items() if key != "Condition"}
            for name, one in self.template["Resources"].items()
            if "Condition" not in one or self.holds({"Condition": one["Condition"]})
        }

    def arns(self) -> dict[str, str]:
        """The ARNs of the resources that have one, by logical name."""
        return {name: self.arn(name) for name, one in self.resources.items() if one["Type"] in ARNS}

    def nested(self) -> list["Stack"]:
        """The stacks that this one makes, and itself."""
        found = [self]
        for name, one in self.resources.items():
            if one["Type"] == "AWS::CloudFormation::Stack":
                found.append(Stack(NESTED[name], f"{self.name}-{name}-1A2B3C4D5E6F", one["Properties"]["Parameters"]))
        return found

    def refused(self) -> list[str]:
        """What the template's own rules say against the parameters."""
        return [
            assertion["AssertDescription"]
            for rule in self.template.get("Rules", {}).values()
            if self.holds(rule["RuleCondition"])
            for assertion in rule["Assertions"]
            if not self.holds(assertion["Assert"])
        ]

    # --- what functions of templates say --------------------------------------------------------

    def holds(self, condition: Any) -> bool:
        ((kind, value),) = condition.items()
        if kind == "Condition":
            return self.holds(self.template["Conditions"][value])
        if kind == "Fn::Not":
            return not self.holds(value[0])
        if kind in ("Fn::And", "Fn::Or"):
            return (all if kind == "Fn::And" else any)(self.holds(one) for one in value)
        assert kind == "Fn::Equals"
        one, other = (str(self.said(side, self.look)) for side in value)
        return one == other

    def said(self, part: Any, look: Look) -> Any:
        if isinstance(part, list):
            return [said for one in part if (said := self.said(one, look)) != NOTHING]
        if not isinstance(part, dict):
            return part
        if len(part) == 1:
            ((kind, value),) = part.items()
            if kind == "Ref":
                return self._reference(value, None, part, look)
            if kind in self.FUNCTIONS:
                return self.FUNCTIONS[kind](self, value, look)
        return {key: said for key, one in part.items() if (said := self.said(one, look)) != NOTHING}

    def _reference(self, name: str, attribute: str | None, otherwise: Any, look: Look) -> Any:
        if name == "AWS::NoValue":
            return NOTHING
        if name == "AWS::StackName":
            return self.name
        if name == "AWS::StackId":
            return f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{self.name}/0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f"
        if name in PSEUDO:
            return PSEUDO[name]
        if name in self.parameters:
            value, number = self.parameters[name], self.template["Parameters"][name]["Type"] == "Number"
            return value if not number else float(value) if "." in str(value) else int(value)
        return look(name, attribute) if look else otherwise

    def _get_att(self, value: Any, look: Look) -> Any:
        name, attribute = value.split(".", 1) if isinstance(value, str) else value
        return self._reference(name, attribute, {"Fn::GetAtt": [name, attribute]}, look)

    def _if(self, value: Any, look: Look) -> Any:
        return self.said(value[1] if self.holds({"Condition": value[0]}) else value[2], look)

    def _sub(self, value: Any, look: Look) -> Any:
        text, given = (value, {}) if isinstance(value, str) else (value[0], self.said(value[1], look))
        left: dict[str, Any] = {}

        def one(match: re.Match[str]) -> str:
            name, _, attribute = match[1].partition(".")
            if name.startswith("!"):
                return "${" + match[1][1:] + "}" if look else match[0]
            found = given[name] if name in given else self._reference(name, attribute or None, None, look)
            if isinstance(found, dict):
                left[name] = found
            return match[0] if found is None or isinstance(found, dict) else str(found)

        text = re.sub(r"\$\{([^}]+)\}", one, text)
        whole = [text, left] if left else text
        return {"Fn::Sub": whole} if not look and "${" in text else whole

    def _join(self, value: Any, look: Look) -> Any:
        glue, parts = self.said(value, look)
        whole = all(isinstance(part, str) for part in parts)
        return glue.join(parts) if whole else {"Fn::Join": [glue, parts]}

    def _select(self, value: Any, look: Look) -> Any:
        index, parts = self.said(value, look)
        return parts[int(index)]

    def _split(self, value: Any, look: Look) -> Any:
        glue, text = self.said(value, look)
        return text.split(glue)

    def _find_in_map(self, value: Any, look: Look) -> Any:
        mapping, one, other = self.said(value, look)
        return self.template["Mappings"][mapping][str(one)][other]

    FUNCTIONS: ClassVar[dict[str, Callable[["Stack", Any, Look], Any]]] = {
        "Fn::GetAtt": _get_att,
        "Fn::If": _if,
        "Fn::Sub": _sub,
        "Fn::Join": _join,
        "Fn::Select": _select,
        "Fn::Split": _split,
        "Fn::FindInMap": _find_in_map,
    }

    # --- what AWS would call it -----------------------------------------------------------------

    def look(self, name: str, attribute: str | None) -> Any:
        kind = self.template["Resources"][name]["Type"]
        if attribute is None:
            if kind == "AWS::SQS::Queue":
                return f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{self.physical(name)}"
            return self.arn(name) if kind in REF_IS_ARN else self.physical(name)
        if attribute.startswith("Outputs."):
            return f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{self.name}-bulk"
        return {
            "Arn": lambda: self.arn(name),
            "QueueName": lambda: self.physical(name),
            "Version": lambda: "1",
            "RootResourceId": lambda: "r00t",
            "RegionalDomainName": lambda: f"d-0a1b2c3d.execute-api.{REGION}.amazonaws.com",
        }[attribute]()

    def physical(self, name: str) -> str:
        kind, properties = (self.template["Resources"][name].get(key, {}) for key in ("Type", "Properties"))
        if NAMED_BY.get(kind) in properties:
            return str(self.said(properties[NAMED_BY[kind]], self.look))
        if kind.startswith("AWS::ApiGateway::"):
            return "a1b2c3d4e5"
        generated = f"{self.name[:24]}-{name[:24]}-1A2B3C4D5E6F"  # so long in the services with the least room
        return generated.lower() if kind == "AWS::S3::Bucket" else generated

    def arn(self, name: str) -> str:
        one = self.template["Resources"][name]
        said = {
            key: self.said(one["Properties"][key], self.look)
            for key in re.findall(r"\{([A-Z]\w+)\}", ARNS[one["Type"]])
        }
        known = {"region": REGION, "account": ACCOUNT, "name": self.physical(name)}
        return "arn:aws:" + ARNS[one["Type"]].format(**known, **said)


def settings() -> dict[str, dict[str, Any]]:
    """What `sam deploy` is told by samconfig.toml, by environment."""
    found = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))
    return {name: one["deploy"]["parameters"] for name, one in found.items() if name != "version"}


def pairs(text: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in text.split())


SETS = [*settings(), "options", "registry", *ACCESS]


@cache
def stack(name: str) -> Stack:
    """The main stack of an environment, or the one with every option."""
    if name == "options":
        return Stack("template.yaml", LONGEST, OPTIONS)
    if name == "registry":
        return Stack("template.yaml", "fenlei", REGISTRY)
    if name in ACCESS:
        return Stack("template.yaml", f"fenlei-{name}", ACCESS[name])
    given = settings()[name]
    return Stack("template.yaml", given["stack_name"], pairs(given.get("parameter_overrides", "")))
