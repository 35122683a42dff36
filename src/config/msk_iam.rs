//! Amazon MSK with IAM: every spelling of the mechanism is read as `sasl.mechanism = AWS_MSK_IAM`.

use super::kafka::{Properties, Property};

/// The mechanism by the name of Java clients, which is the name here.
const MECHANISM: &str = "AWS_MSK_IAM";

/// The names that other programs give the mechanism: the OpenTelemetry Collector and kafka_exporter.
const OTHER_NAMES: [&str; 2] = ["AWS_MSK_IAM_OAUTHBEARER", "awsiam"];

/// The method of Datadog's agent, which goes with the mechanism OAUTHBEARER.
const METHOD: &str = "aws_msk_iam";

/// The properties of Java clients that name the classes of MSK IAM.
const JAAS: &str = "sasl.jaas.config";
const HANDLERS: [&str; 2] = ["sasl.client.callback.handler.class", "sasl.login.callback.handler.class"];

/// The Java package of the login module and of [`HANDLERS`], without its beginning.
const PACKAGE: &str = "msk.auth.iam";

/// The options of Java's login module, with the properties that stand for them. Those without a property concern the library
/// for Java alone.
const OPTIONS: [(&str, Option<&str>); 8] = [
    ("awsProfileName", Some("aws.profile")),
    ("awsRoleArn", Some("aws.role.arn")),
    ("awsRoleSessionName", Some("aws.role.session.name")),
    ("awsRoleExternalId", Some("aws.role.external.id")),
    ("awsStsRegion", Some("aws.sts.region")),
    ("awsDebugCreds", None),
    ("awsMaxRetries", None),
    ("awsMaxBackOffTimeMs", None),
];

/// The names of `aws.region` in Datadog's agent and in kafka_exporter, which are also read from the environment.
const REGIONS: [&str; 3] = ["aws_region", "sasl.aws-region", "sasl.aws.region"];

/// Reads the other spellings of MSK IAM as `AWS_MSK_IAM`. With MSK IAM and without `security.protocol`, the protocol is
/// `SASL_SSL`: MSK offers no other one.
pub(super) fn complete(kafka: &mut Properties) {
    let Some(key) = ["sasl.mechanism", "sasl.mechanisms"].into_iter().find(|key| kafka.0.contains_key(*key))
    else {
        return;
    };
    let method = "sasl.oauthbearer.method";
    let by_method = kafka.get(method).is_some_and(|value| value.eq_ignore_ascii_case(METHOD));
    let mut of_java = [JAAS].into_iter().chain(HANDLERS);
    let by_java = of_java.any(|key| kafka.get(key).is_some_and(|value| value.contains(PACKAGE)));
    let Some(mechanism) = kafka.0.get_mut(key) else { return };
    let named = |name: &str| mechanism.value.eq_ignore_ascii_case(name);
    let is_oauth = named("OAUTHBEARER");
    let is_other = OTHER_NAMES.into_iter().any(named) || is_oauth && (by_method || by_java);
    if !(named(MECHANISM) || is_other) {
        return;
    }
    mechanism.value = MECHANISM.to_owned();
    let place = mechanism.place.clone();
    if by_method {
        kafka.0.remove(method);
    }
    if by_java {
        read_java(kafka);
    }
    for name in REGIONS {
        if let Some(region) = kafka.0.remove(name) {
            kafka.0.entry("aws.region".to_owned()).or_insert(region);
        }
    }
    kafka.0.entry("security.protocol".to_owned()).or_insert(Property { value: "SASL_SSL".to_owned(), place });
}

/// Replaces the properties of Java clients by those that stand for them, which win where they are set. Options that are not
/// understood stay, and are refused later with a hint.
fn read_java(kafka: &mut Properties) {
    if let Some(Property { value, place }) = kafka.0.get(JAAS).cloned() {
        let Some(options) = options(&value) else { return };
        kafka.0.remove(JAAS);
        for (key, value) in options {
            kafka.0.entry(key.to_owned()).or_insert(Property { value, place: place.clone() });
        }
    }
    HANDLERS.iter().for_each(|key| _ = kafka.0.remove(*key));
}

/// The properties that stand for the options of Java's login module, which is written `CLASS required NAME="VALUE" …;`. `None` if
/// an option is not known or is written in another way.
fn options(jaas: &str) -> Option<Vec<(&'static str, String)>> {
    let words = jaas.trim().trim_end_matches(';').split_whitespace().skip(2);
    let read = |word: &str| {
        let (name, value) = word.split_once('=')?;
        let quoted = |quote| value.strip_prefix(quote).and_then(|value| value.strip_suffix(quote));
        let value = quoted('"').or_else(|| quoted('\'')).unwrap_or(value);
        let (_, property) = OPTIONS.into_iter().find(|(option, _)| *option == name)?;
        (!value.contains(['"', '\''])).then(|| property.map(|property| (property, value.to_owned())))
    };
    let read: Option<Vec<_>> = words.map(read).collect();
    read.map(|options| options.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let property = |value: &str| Property { value: value.to_owned(), place: "config.ini:2".to_owned() };
        let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), property(value)));
        let mut kafka = Properties(pairs.collect());
        complete(&mut kafka);
        kafka.0.into_iter().map(|(key, property)| (key, property.value)).collect()
    }

    #[test]
    fn every_spelling_of_msk_iam_is_read_as_one_with_tls() {
        let spellings: [&[(&str, &str)]; 5] = [
            &[("sasl.mechanism", "AWS_MSK_IAM")],
            &[("sasl.mechanism", "aws_msk_iam")],
            &[("sasl.mechanism", "awsiam")],
            &[("sasl.mechanism", "AWS_MSK_IAM_OAUTHBEARER")],
            &[("sasl.mechanism", "OAUTHBEARER"), ("sasl.oauthbearer.method", "aws_msk_iam")],
        ];
        let expected = [("sasl.mechanism", "AWS_MSK_IAM"), ("security.protocol", "SASL_SSL")];
        let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
        for spelling in spellings {
            assert_eq!(completed(spelling), expected, "{spelling:?}");
        }
        let alias = completed(&[("sasl.mechanisms", "AWS_MSK_IAM"), ("security.protocol", "SASL_PLAINTEXT")]);
        assert_eq!(alias[1].1, "SASL_PLAINTEXT", "a protocol that is set stays");
    }

    #[test]
    fn properties_of_java_clients_and_of_other_programs_are_read_as_those_that_stand_for_them() {
        let handler = "software.amazon.msk.auth.iam.IAMClientCallbackHandler";
        let module = "software.amazon.msk.auth.iam.IAMLoginModule required";
        let options = "awsRoleArn=\"arn:aws:iam::1:role/r\" awsStsRegion='eu-west-1' awsDebugCreds=true\n awsProfileName=p ;";
        let all = completed(&[
            ("sasl.mechanism", "AWS_MSK_IAM"),
            ("security.protocol", "SASL_SSL"),
            ("sasl.jaas.config", &format!("{module} {options}")),
            ("sasl.client.callback.handler.class", handler),
            ("aws.profile", "q"),
        ]);
        let expected = [
            ("aws.profile", "q"),
            ("aws.role.arn", "arn:aws:iam::1:role/r"),
            ("aws.sts.region", "eu-west-1"),
            ("sasl.mechanism", "AWS_MSK_IAM"),
            ("security.protocol", "SASL_SSL"),
        ];
        assert_eq!(all, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
        let oauth = completed(&[
            ("sasl.mechanism", "OAUTHBEARER"),
            (
                "sasl.jaas.config",
                "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;",
            ),
            (
                "sasl.login.callback.handler.class",
                "software.amazon.msk.auth.iam.IAMOAuthBearerLoginCallbackHandler",
            ),
        ]);
        assert_eq!(oauth[0], ("sasl.mechanism".to_owned(), "AWS_MSK_IAM".to_owned()));
        assert_eq!(oauth.len(), 2, "{oauth:?}");
        for name in ["aws_region", "sasl.aws-region", "sasl.aws.region"] {
            let region = completed(&[("sasl.mechanism", "AWS_MSK_IAM"), (name, "eu-west-1")]);
            assert_eq!(region[0], ("aws.region".to_owned(), "eu-west-1".to_owned()));
        }
        for options in ["awsProfileName=\"two words\";", "awsUnknown=1;", "awsRoleArn = x;"] {
            let kept = completed(&[
                ("sasl.mechanism", "AWS_MSK_IAM"),
                ("sasl.jaas.config", &format!("{module} {options}")),
            ]);
            assert_eq!(kept[0].0, "sasl.jaas.config", "it is refused later: {options}");
        }
    }

    #[test]
    fn other_mechanisms_stay_as_they_are() {
        for pairs in [
            &[("sasl.mechanism", "OAUTHBEARER"), ("sasl.oauthbearer.method", "oidc")][..],
            &[("sasl.mechanism", "PLAIN")],
            &[("sasl.oauthbearer.method", "aws_msk_iam")],
            &[("sasl.jaas.config", "x.PlainLoginModule required;"), ("sasl.mechanism", "PLAIN")],
        ] {
            let kept = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            assert_eq!(completed(pairs), kept.collect::<Vec<_>>());
        }
    }
}
