"""The bare interpreter: a function that does nothing."""


def lambda_handler(event, context):  # noqa: ARG001
    return {"statusCode": 200, "body": "{}"}
