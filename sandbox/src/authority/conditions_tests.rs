//! Operators of conditions, as tables.

use serde_json::{Value, json};

use super::Context;
use super::conditions::hold;

fn context() -> Context {
    [
        ("aws:resourcetag/team", &["blue"][..]),
        ("s3:prefix", &["runs/1/"]),
        ("s3:max-keys", &["5"]),
        ("aws:currenttime", &["2026-11-23T12:00:00Z"]),
        ("aws:epochtime", &["1795435200"]),
        ("aws:securetransport", &["true"]),
        ("aws:sourceip", &["10.1.2.3"]),
        ("aws:principalarn", &["arn:aws:iam::123456789012:role/ci/build"]),
        ("aws:tagkeys", &["team", "cost"]),
        ("aws:userid", &["AROAX:me"]),
        ("route53:changeresourcerecordsetsactions", &["CREATE", "UPSERT"]),
        ("route53:changeresourcerecordsetsnormalizedrecordnames", &["a.run.example.com", "\\052.run.example.com"]),
    ]
    .into_iter()
    .map(|(key, values)| (key.to_owned(), values.iter().map(|value| (*value).to_owned()).collect()))
    .collect()
}

#[track_caller]
fn table(cases: Vec<(Value, bool)>) {
    for (condition, expected) in cases {
        assert_eq!(hold(&condition, true, &context()), Ok(expected), "{condition}");
    }
}

#[test]
fn texts_are_compared() {
    table(vec![
        (json!({"StringEquals": {"aws:ResourceTag/team": "blue"}}), true),
        (json!({"StringEquals": {"aws:ResourceTag/team": ["red", "blue"]}}), true),
        (json!({"StringEquals": {"aws:ResourceTag/team": "Blue"}}), false),
        (json!({"StringEquals": {"aws:ResourceTag/team": "b*"}}), false),
        (json!({"StringEqualsIgnoreCase": {"aws:ResourceTag/team": "Blue"}}), true),
        (json!({"StringNotEqualsIgnoreCase": {"aws:ResourceTag/team": "Blue"}}), false),
        (json!({"StringNotEquals": {"aws:ResourceTag/team": ["red", "blue"]}}), false),
        (json!({"StringNotEquals": {"aws:ResourceTag/team": ["red", "green"]}}), true),
        (json!({"StringLike": {"s3:prefix": "runs/*"}}), true),
        (json!({"StringLike": {"s3:prefix": "runs/?/"}}), true),
        (json!({"StringNotLike": {"s3:prefix": ["other/*", "runs/*"]}}), false),
        (json!({"StringEquals": {"aws:userid": "${aws:userid}"}}), true),
        (json!({"StringEquals": {"aws:ResourceTag/team": "blue"}, "StringLike": {"s3:prefix": "other/*"}}), false),
        (json!({"StringEquals": {"aws:ResourceTag/team": "blue", "s3:prefix": "x"}}), false),
    ]);
}

#[test]
fn numbers_dates_and_truth_are_compared() {
    table(vec![
        (json!({"NumericEquals": {"s3:max-keys": "5.0"}}), true),
        (json!({"NumericNotEquals": {"s3:max-keys": 5}}), false),
        (json!({"NumericLessThan": {"s3:max-keys": 5}}), false),
        (json!({"NumericLessThanEquals": {"s3:max-keys": 5}}), true),
        (json!({"NumericGreaterThan": {"s3:max-keys": [9, 4]}}), true),
        (json!({"NumericGreaterThanEquals": {"s3:max-keys": 6}}), false),
        (json!({"NumericEquals": {"s3:prefix": 5}}), false),
        (json!({"DateEquals": {"aws:CurrentTime": "2026-11-23T12:00:00Z"}}), true),
        (json!({"DateNotEquals": {"aws:CurrentTime": "2026-11-23T12:00:00Z"}}), false),
        (json!({"DateLessThan": {"aws:CurrentTime": "2026-11-24T00:00:00Z"}}), true),
        (json!({"DateLessThanEquals": {"aws:CurrentTime": "2026-11-22T00:00:00Z"}}), false),
        (json!({"DateGreaterThan": {"aws:EpochTime": "1700000000"}}), true),
        (json!({"DateGreaterThanEquals": {"aws:EpochTime": "2026-11-23T12:00:00Z"}}), true),
        (json!({"Bool": {"aws:SecureTransport": "true"}}), true),
        (json!({"Bool": {"aws:SecureTransport": false}}), false),
    ]);
}

#[test]
fn addresses_and_arns_are_compared() {
    table(vec![
        (json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}), true),
        (json!({"IpAddress": {"aws:SourceIp": ["192.168.0.0/16", "10.1.2.3"]}}), true),
        (json!({"IpAddress": {"aws:SourceIp": "10.1.2.4"}}), false),
        (json!({"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}), true),
        (json!({"IpAddress": {"aws:SourceIp": "::/0"}}), false),
        (json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/none"}}), false),
        (json!({"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}), false),
        (json!({"NotIpAddress": {"aws:SourceIp": "2001:db8::/32"}}), true),
        (json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/ci/*"}}), true),
        (json!({"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::123456789012:role/*"}}), true),
        (json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam:*:role/ci/build"}}), false),
        (json!({"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/ci/*"}}), false),
        (json!({"ArnNotEquals": {"aws:PrincipalArn": "arn:aws:iam::*:user/*"}}), true),
    ]);
}

#[test]
fn a_missing_key_satisfies_what_says_so() {
    table(vec![
        (json!({"StringEquals": {"aws:ResourceTag/none": "x"}}), false),
        (json!({"StringNotEquals": {"aws:ResourceTag/none": "x"}}), true),
        (json!({"StringEqualsIfExists": {"aws:ResourceTag/none": "x"}}), true),
        (json!({"StringEqualsIfExists": {"aws:ResourceTag/team": "x"}}), false),
        (json!({"BoolIfExists": {"aws:MultiFactorAuthPresent": "true"}}), true),
        (json!({"NotIpAddress": {"aws:VpcSourceIp": "10.0.0.0/8"}}), true),
        (json!({"Null": {"s3:prefix": "false", "s3:delimiter": "true"}}), true),
        (json!({"Null": {"s3:prefix": true}}), false),
    ]);
}

#[test]
fn several_values_are_taken_together() {
    table(vec![
        (json!({"ForAllValues:StringEquals": {"aws:TagKeys": ["team", "cost", "more"]}}), true),
        (json!({"ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}}), false),
        (json!({"ForAllValues:StringNotLike": {"aws:TagKeys": "own:*"}}), true),
        (json!({"ForAllValues:StringNotLike": {"aws:TagKeys": "c*"}}), false),
        (json!({"ForAnyValue:StringEquals": {"aws:TagKeys": ["cost"]}}), true),
        (json!({"ForAnyValue:StringEquals": {"aws:TagKeys": ["none"]}}), false),
        (json!({"ForAllValues:StringEquals": {"aws:RequestTag/a": ["a"]}}), true),
        (json!({"ForAnyValue:StringEquals": {"aws:RequestTag/a": ["a"]}}), false),
        (json!({"ForAnyValue:StringNotEquals": {"aws:RequestTag/a": ["a"]}}), false),
    ]);
}

#[test]
fn every_change_of_a_batch_counts() {
    let names = "route53:ChangeResourceRecordSetsNormalizedRecordNames";
    let types = "route53:ChangeResourceRecordSetsRecordTypes";
    let actions = "route53:ChangeResourceRecordSetsActions";
    table(vec![
        (json!({"ForAllValues:StringLike": {names: ["*.run.example.com"]}}), true),
        (json!({"ForAllValues:StringLike": {names: ["a.*"]}}), false),
        (json!({"ForAllValues:StringEquals": {names: ["a.run.example.com", "\\052.run.example.com", "b.run.example.com"]}}), true),
        (json!({"ForAllValues:StringEquals": {names: ["a.run.example.com", "*.run.example.com"]}}), false),
        (json!({"ForAllValues:StringEquals": {actions: ["CREATE", "UPSERT"], names: ["a.run.example.com"]}}), false),
        (json!({"ForAllValues:StringEquals": {actions: ["CREATE"]}}), false),
        (json!({"ForAnyValue:StringEquals": {actions: ["CREATE"]}}), true),
        (json!({"StringEquals": {actions: ["CREATE"]}}), true),
        // A call that changes nothing has no types.
        (json!({"ForAllValues:StringEquals": {types: ["A"]}}), true),
        (json!({"ForAnyValue:StringEquals": {types: ["A"]}}), false),
    ]);
}

#[test]
fn what_is_not_known_is_told() {
    for (condition, what) in [
        (json!({"StringMatches": {"s3:prefix": "x"}}), "condition operator StringMatches"),
        (json!({"ForSomeValues:StringEquals": {"s3:prefix": "x"}}), "condition operator ForSomeValues:StringEquals"),
        (json!({"NullIfExists": {"s3:prefix": "true"}}), "condition operator NullIfExists"),
        (json!({"StringEquals": {"ec2:Quantity": "x"}}), "condition key ec2:quantity"),
        // Known or not does not depend on what stands before it.
        (json!({"StringEquals": {"s3:prefix": "no"}, "StringLike": {"aws:Weather": "fine"}}), "condition key aws:weather"),
    ] {
        assert_eq!(hold(&condition, true, &context()), Err(what.to_owned()), "{condition}");
    }
}
