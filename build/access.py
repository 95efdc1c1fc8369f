"""Who may call, as API Gateway imports it: keys, IAM's signatures or tokens; and from which network.

A template's conditions choose: UsesKeys, UsesSignatures (else tokens), UsesAuthorizer (else a user pool's tokens),
PlansTokens, HasScope, OpensPages and IsPrivate.
"""

from typing import Any

Json = dict[str, Any]
NOTHING = {"Ref": "AWS::NoValue"}

_BY_PLAN = {"Fn::If": ["PlansTokens", {"token": [], "api_key": []}, {"token": []}]}
_TOKEN = {"Fn::If": ["HasScope", {"token": [{"Ref": "TokenScope"}]}, _BY_PLAN]}
# The gateway reads a key from its caller, or has the authorizer say one for a token.
KEY_SOURCE = {"Fn::If": ["PlansTokens", "AUTHORIZER", "HEADER"]}
# What the function says of a token is taken for so long, so that a token may be used until so long after its time.
REMEMBERED_SECONDS = 60
_LAMBDA = "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions"
_CALLER = {"Fn::If": ["UsesKeys", {"api_key": []}, {"Fn::If": ["UsesSignatures", {"signature": []}, _TOKEN]}]}


def security(operation: Json, method: str) -> list[Json]:
    """What an operation asks of its caller, as a list whatever is chosen, since `sam local` does not choose.

    A browser's preflight carries nothing, so that it stays open.
    """
    if method == "options":
        return []
    return [_CALLER if operation["security"] else {"Fn::If": ["OpensPages", NOTHING, _CALLER]}]


def schemes(contract: Json) -> Json:
    """The ways to call: the contract's key, and those that only the gateway knows of.

    "Use API Gateway extensions to OpenAPI" (x-amazon-apigateway-authtype, x-amazon-apigateway-authorizer) has both.
    """
    header: Json = {"type": "apiKey", "name": "Authorization", "in": "header"}
    pool = header | {
        "x-amazon-apigateway-authtype": "cognito_user_pools",
        "x-amazon-apigateway-authorizer": {"type": "cognito_user_pools", "providerARNs": [{"Ref": "UserPoolArn"}]},
    }
    function = header | {
        "x-amazon-apigateway-authtype": "custom",
        "x-amazon-apigateway-authorizer": {
            "type": "token",
            "authorizerUri": {"Fn::Sub": f"{_LAMBDA}/${{AuthorizerArn}}/invocations"},
            "authorizerResultTtlInSeconds": REMEMBERED_SECONDS,
            # What is no token at all costs no call of the function.
            "identityValidationExpression": r"^[Bb]earer [\w-]+\.[\w-]+\.[\w-]+$",
        },
    }
    token = {"Fn::If": ["UsesAuthorizer", function, pool]}
    return {
        "api_key": {key: contract["components"]["securitySchemes"]["api_key"][key] for key in ("type", "in", "name")},
        "signature": {"Fn::If": ["UsesSignatures", header | {"x-amazon-apigateway-authtype": "awsSigv4"}, NOTHING]},
        "token": {"Fn::If": ["UsesTokens", token, NOTHING]},
    }


def network(contract: Json) -> Json:
    """The resource policy of a private API: through one VPC endpoint only.

    For a call of the same account IAM adds up what this allows and what the caller's own policies allow. So with
    signatures it hands the decision to those, and allows everybody only what is open.
    """
    opened = [
        f"execute-api:/*/{method.upper()}{path}"
        for path, item in contract["paths"].items()
        for method, operation in item.items()
        if method == "get" and not operation["security"]
    ]
    preflights = ["execute-api:/*/OPTIONS/*"]
    account = {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}}
    invoke = {"Effect": "Allow", "Action": "execute-api:Invoke"}
    statements = [
        invoke | {"Principal": {"Fn::If": ["UsesSignatures", account, "*"]}, "Resource": "execute-api:/*"},
        invoke | {"Principal": "*", "Resource": {"Fn::If": ["OpensPages", [*preflights, *opened], preflights]}},
        {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "execute-api:Invoke",
            "Resource": "execute-api:/*",
            "Condition": {"StringNotEquals": {"aws:SourceVpce": {"Ref": "VpcEndpointId"}}},
        },
    ]
    return {"Fn::If": ["IsPrivate", {"Version": "2012-10-17", "Statement": statements}, NOTHING]}
