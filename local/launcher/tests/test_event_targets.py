"""What EventBridge and CloudWatch deliver to, and what becomes of it if they cannot."""

import json
import unittest

from tests.stack import ANYTHING, Function, Queue, client, poll, unique

ACCOUNT = "000000000000"


def publish(service: str, **conditions: dict) -> str:
    """A topic's policy that lets this service publish."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": "*",
    }
    if conditions:
        statement["Condition"] = {"StringEquals": conditions}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


class Topic:
    """A topic with this policy, and a queue that has what is published."""

    def __init__(self, policy: str) -> None:
        self.heard = Queue(Policy=anyone_may_send())
        created = client("sns").create_topic(Name=unique("topic"), Attributes={"Policy": policy})
        self.arn = created["TopicArn"]
        client("sns").subscribe(TopicArn=self.arn, Protocol="sqs", Endpoint=self.heard.arn)

    def receive(self) -> str:
        return self.heard.receive()["Message"]


def anyone_may_send() -> str:
    statement = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def route(target: str, **fields: object) -> str:
    """A rule with this target; the detail type of its events."""
    rule, kind = unique("rule"), unique("kind")
    client("events").put_rule(Name=rule, EventPattern=json.dumps({"detail-type": [kind]}))
    client("events").put_targets(Rule=rule, Targets=[{"Id": "t", "Arn": target, **fields}])
    return kind


def put(kind: str) -> None:
    client("events").put_events(
        Entries=[{"Source": "s", "DetailType": kind, "Detail": json.dumps({"kind": kind})}]
    )


class FunctionTargetTest(unittest.TestCase):
    def route_event(self, function: Function, steps: list) -> None:
        put(route(function.arn, Input=json.dumps({"do": steps})))

    def test_failing_function_is_invoked_three_times_and_then_gives_the_event_up(self) -> None:
        dead = Queue()
        function = Function(DeadLetterConfig={"TargetArn": dead.arn})

        self.route_event(function, [["print", "tried"], ["fail", "Broken"]])

        dead.receive()
        self.assertEqual(function.read_log().count("tried"), 3)

    def test_event_is_lost_when_the_role_may_not_send_it_to_the_queue(self) -> None:
        dead = Queue()
        target = {"TargetArn": dead.arn}
        everything_else = [*ANYTHING, {"Effect": "Deny", "Action": "sqs:*", "Resource": "*"}]
        function = Function(everything_else, DeadLetterConfig=target)
        other = Function(DeadLetterConfig=target)

        self.route_event(function, [["print", "tried"], ["fail", "Broken"]])
        poll(lambda: function.read_log().count("tried") == 3, "all attempts")
        self.route_event(other, [["fail", "Other"]])

        self.assertEqual(dead.receive()["responsePayload"]["errorType"], "Other")

    def test_function_that_succeeds_is_invoked_once(self) -> None:
        dead = Queue()
        function = Function(DeadLetterConfig={"TargetArn": dead.arn})
        other = Function(DeadLetterConfig={"TargetArn": dead.arn})

        self.route_event(function, [["print", "tried"]])
        self.route_event(other, [["fail", "Broken"]])

        dead.receive()
        self.assertEqual(function.read_log().count("tried"), 1)


class TopicTargetTest(unittest.TestCase):
    def test_rule_publishes_to_a_topic_whose_policy_lets_eventbridge_without_a_condition(self) -> None:
        topic = Topic(publish("events"))
        kind = route(topic.arn)

        put(kind)

        self.assertEqual(json.loads(topic.receive())["detail"], {"kind": kind})

    def test_event_that_the_policy_of_a_topic_refuses_goes_to_the_dead_letter_queue(self) -> None:
        condition = {"aws:SourceAccount": ACCOUNT}
        for policy in (publish("events", **condition), publish("cloudwatch")):
            dead = Queue(Policy=anyone_may_send())
            kind = route(Topic(policy).arn, DeadLetterConfig={"Arn": dead.arn})

            put(kind)

            self.assertEqual(dead.receive()["detail"], {"kind": kind})

    def test_event_is_lost_when_the_policy_of_the_dead_letter_queue_names_another_rule(self) -> None:
        other = {"ArnEquals": {"aws:SourceArn": f"arn:aws:events:us-east-1:{ACCOUNT}:rule/other"}}
        policy = json.loads(anyone_may_send())
        policy["Statement"][0]["Condition"] = other
        dead, topic = Queue(Policy=json.dumps(policy)), Topic(publish("cloudwatch"))
        lost = route(topic.arn, DeadLetterConfig={"Arn": dead.arn})
        put(lost)

        open_to_all = Queue(Policy=anyone_may_send())
        put(route(topic.arn, DeadLetterConfig={"Arn": open_to_all.arn}))

        open_to_all.receive()
        self.assertNotIn("Messages", client("sqs").receive_message(QueueUrl=dead.url))


class AlarmTest(unittest.TestCase):
    def ring(self, topic: Topic) -> str:
        name = unique("alarm")
        client("cloudwatch").put_metric_alarm(
            AlarmName=name,
            AlarmActions=[topic.arn],
            Namespace="n",
            MetricName="m",
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=0,
            ComparisonOperator="GreaterThanThreshold",
        )
        client("cloudwatch").set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="test")
        return name

    def test_alarm_is_heard_through_a_policy_that_names_its_account(self) -> None:
        topic = Topic(publish("cloudwatch", **{"aws:SourceAccount": ACCOUNT}))

        name = self.ring(topic)

        self.assertEqual(json.loads(topic.receive())["AlarmName"], name)

    def test_alarm_is_not_heard_through_a_policy_for_another_service(self) -> None:
        deaf, topic = Topic(publish("events")), Topic(publish("cloudwatch"))

        self.ring(deaf)
        self.ring(topic)

        topic.receive()
        self.assertNotIn("Messages", client("sqs").receive_message(QueueUrl=deaf.heard.url))


if __name__ == "__main__":
    unittest.main()
