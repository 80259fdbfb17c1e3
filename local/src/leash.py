"""Runs MiniStack, mended in a few places and on a leash."""

import json
import os
import runpy
import signal
import sys
import threading
import time
from email.utils import parseaddr

from ministack.core import iam_actions, iam_evaluator, router
from ministack.core.responses import error_response_json, json_response
from ministack.services import secretsmanager


def end_with_the_holder():
    """Kills MiniStack with everything it started as soon as whoever holds the other end of standard input is gone,
    however that came about. Nothing but the kernel has to notice, so a killed holder leaves nothing behind."""
    while os.read(0, 4096):
        pass
    os.killpg(0, signal.SIGKILL)


def name_services_as_aws_does(known):
    """AWS checks an action on an ECS service, task or cluster against its own ARN (Service Authorization Reference, Amazon
    ECS). MiniStack 1.5.33 checks any ECS request that names a cluster against the cluster's, so that a policy
    written for AWS would be refused and one that AWS refuses would pass."""

    def extract(service, method, path, headers, body, query_params, region, account_id):
        if service == "ecs":
            try:
                request = json.loads(body or b"{}")
            except ValueError:
                request = {}
            names = request.get("services") or [request.get("service") or request.get("serviceName")]
            tasks = request.get("tasks")
            if tasks:
                if tasks[0].startswith("arn:"):
                    return tasks[0]
                cluster = (request.get("cluster") or "default").rsplit("/", 1)[-1]
                return f"arn:aws:ecs:{region}:{account_id}:task/{cluster}/{tasks[0]}"
            clusters = request.get("clusters")
            if clusters:
                if clusters[0].startswith("arn:"):
                    return clusters[0]
                return f"arn:aws:ecs:{region}:{account_id}:cluster/{clusters[0]}"
            revisions = request.get("serviceRevisionArns") or request.get("serviceDeploymentArns")
            if revisions:
                return revisions[0]
            if names[0]:
                if names[0].startswith("arn:"):
                    return names[0]
                cluster = (request.get("cluster") or "default").rsplit("/", 1)[-1]
                return f"arn:aws:ecs:{region}:{account_id}:service/{cluster}/{names[0]}"
        return known(service, method, path, headers, body, query_params, region, account_id)

    return extract


def name_senders_as_aws_does(known):
    """AWS checks SendEmail against the identity that the email comes from (Service Authorization Reference, Amazon SES
    v2). MiniStack 1.5.33 names no resource, so that a policy for one identity would be refused."""

    def extract(service, method, path, headers, body, query_params, region, account_id):
        if service == "ses" and path.rstrip("/") == "/v2/email/outbound-emails":
            try:
                sender = parseaddr(json.loads(body or b"{}").get("FromEmailAddress", ""))[1]
            except ValueError:
                sender = ""
            return f"arn:aws:ses:{region}:{account_id}:identity/{sender}"
        return known(service, method, path, headers, body, query_params, region, account_id)

    return extract


def name_what_is_found_as_aws_does(known):
    """AWS checks ListQueues against the account's queues (its refusals name arn:aws:sqs:<region>:<account>:),
    GetSubscriptionAttributes against the topic (its refusals name it), ListTargetsByRule against the rule (Service
    Authorization Reference, Amazon EventBridge), and DescribeBudgets against budgets. MiniStack 1.5.33 names no resource, or the event bus, so that a policy
    for less than everything would be refused."""

    def extract(service, method, path, headers, body, query_params, region, account_id):
        action = headers.get("x-amz-target", "").rsplit(".", 1)[-1]
        if service == "sqs" and action == "ListQueues":
            return f"arn:aws:sqs:{region}:{account_id}:"
        if service == "sns" and (subscription := iam_actions._query_param(query_params, "SubscriptionArn")):
            return subscription.rsplit(":", 1)[0]
        if service == "budgets":
            return f"arn:aws:budgets::{account_id}:budget/all"
        if service == "events" and action == "ListTargetsByRule":
            try:
                request = json.loads(body or b"{}")
            except ValueError:
                request = {}
            bus = (request.get("EventBusName") or "default").rsplit("/", 1)[-1]
            within = "" if bus == "default" else f"{bus}/"
            return f"arn:aws:events:{region}:{account_id}:rule/{within}{request.get('Rule', '')}"
        return known(service, method, path, headers, body, query_params, region, account_id)

    return extract


def name_actions_as_aws_does(known):
    """AWS checks a batch of SQS as the action on one message, and knows no action of the batch's name; and it checks
    the list of a function's destinations as ListFunctionEventInvokeConfigs (Service Authorization Reference, Amazon SQS
    and AWS Lambda), and every look at a budget as ViewBudget (AWS Cost Management). MiniStack 1.5.33 asks for the batch's
    name, for GetFunction, and for DescribeBudgets."""

    def extract(service, method, path, headers, body, query_params):
        if service == "lambda" and method == "GET" and path.endswith("/event-invoke-config/list"):
            return "lambda:ListFunctionEventInvokeConfigs"
        action = known(service, method, path, headers, body, query_params)
        if action == "budgets:DescribeBudgets":
            return "budgets:ViewBudget"
        return action.removesuffix("Batch") if service == "sqs" and action else action

    return extract


def name_what_is_not_there(known):
    """AWS Health and Application Auto Scaling are not a part of MiniStack 1.5.33, which takes their requests for those of
    S3, and answers nobody for the half minute that it ponders over the first. Named as what they are, they are refused at
    once."""

    def detect(method, path, headers, query_params):
        # `Credential=<key>/<date>/<region>/<service>/aws4_request`
        scope = headers.get("authorization", "").split("/")
        absent = {"health", "application-autoscaling"} & set(scope[2:4])
        return absent.pop() if absent else known(method, path, headers, query_params)

    return detect


def take_plain_text_for_tls(known):
    """Local AWS is reached over the loopback interface alone, without TLS. A policy that refuses what does not come by
    TLS, as a bucket's should, would refuse everything."""

    def pin(source_ip, secure_transport):
        known(source_ip, True)

    return pin


def begin_rotations_as_aws_does(known):
    """AWS labels a version without a value AWSPENDING, and then calls the rotation function, which gives it one (Secrets
    Manager User Guide, "Rotation by Lambda function"). MiniStack 1.5.33 moves the label AWSCURRENT at once, without
    calling anybody. Here the version is labelled; whoever asked for the rotation calls the function."""

    def rotate(data):
        _, secret = secretsmanager._resolve(data.get("SecretId"))
        version = data.get("ClientRequestToken")
        if not secret or secret.get("DeletedDate") or not version:
            return known(data)
        for name in ("RotationLambdaARN", "RotationRules"):
            secret[name] = data.get(name) or secret.get(name)
        secret["RotationEnabled"] = True
        empty = {"SecretString": None, "SecretBinary": None, "CreatedDate": int(time.time()), "Stages": []}
        secret["Versions"].setdefault(version, empty)
        secretsmanager._remove_stage_everywhere(secret, "AWSPENDING")
        secretsmanager._add_stage(secret, version, "AWSPENDING")
        return json_response({"ARN": secret["ARN"], "Name": secret["Name"], "VersionId": version})

    return rotate


def know_no_empty_values(known):
    """A version without a value is not found when it is read."""

    def get(data):
        _, secret = secretsmanager._resolve(data.get("SecretId"))
        version = secret and secret["Versions"].get(data.get("VersionId"))
        if version and version["SecretString"] is None and version["SecretBinary"] is None:
            return error_response_json(
                "ResourceNotFoundException", "Secrets Manager can't find the specified secret value.", 400
            )
        return known(data)

    return get


secretsmanager._rotate_secret = begin_rotations_as_aws_does(secretsmanager._rotate_secret)
secretsmanager._get_secret_value = know_no_empty_values(secretsmanager._get_secret_value)
iam_actions.extract_resource_arn = name_services_as_aws_does(iam_actions.extract_resource_arn)
iam_actions.extract_resource_arn = name_senders_as_aws_does(iam_actions.extract_resource_arn)
iam_actions.extract_resource_arn = name_what_is_found_as_aws_does(iam_actions.extract_resource_arn)
iam_actions.extract_iam_action = name_actions_as_aws_does(iam_actions.extract_iam_action)
router.detect_service = name_what_is_not_there(router.detect_service)
iam_evaluator.pin_request_origin = take_plain_text_for_tls(iam_evaluator.pin_request_origin)
threading.Thread(target=end_with_the_holder, daemon=True).start()
sys.argv = ["ministack"]
runpy.run_module("ministack", run_name="__main__", alter_sys=True)
