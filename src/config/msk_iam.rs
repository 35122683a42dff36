//! Amazon MSK with IAM: every spelling of the mechanism is read as `sasl.mechanism = AWS_MSK_IAM`.

use super::kafka::{Properties, Property};

/// The mechanism by the name of Java clients, which is the name here.
const MECHANISM: &str = "AWS_MSK_IAM";

/// The names that other programs give the mechanism: the OpenTelemetry Collector and kafka_exporter.
const OTHER_NAMES: [&str; 2] = ["AWS_MSK_IAM_OAUTHBEARER", "awsiam"];

/// The method of Datadog's agent, which goes with the mechanism OAUTHBEARER.
const METHOD: &str = "aws_msk_iam";

/// Reads the other spellings of MSK IAM as `AWS_MSK_IAM`. With MSK IAM and without `security.protocol`, the protocol is
/// `SASL_SSL`: MSK offers no other one.
pub(super) fn complete(kafka: &mut Properties) {
    let Some(key) = ["sasl.mechanism", "sasl.mechanisms"].into_iter().find(|key| kafka.0.contains_key(*key))
    else {
        return;
    };
    let method = "sasl.oauthbearer.method";
    let by_method = kafka.get(method).is_some_and(|value| value.eq_ignore_ascii_case(METHOD));
    let Some(mechanism) = kafka.0.get_mut(key) else { return };
    let named = |name: &str| mechanism.value.eq_ignore_ascii_case(name);
    let is_oauth = named("OAUTHBEARER");
    if !(named(MECHANISM) || OTHER_NAMES.into_iter().any(named) || is_oauth && by_method) {
        return;
    }
    mechanism.value = MECHANISM.to_owned();
    let place = mechanism.place.clone();
    if by_method {
        kafka.0.remove(method);
    }
    kafka.0.entry("security.protocol".to_owned()).or_insert(Property { value: "SASL_SSL".to_owned(), place });
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
    fn other_mechanisms_stay_as_they_are() {
        for pairs in [
            &[("sasl.mechanism", "OAUTHBEARER"), ("sasl.oauthbearer.method", "oidc")][..],
            &[("sasl.mechanism", "PLAIN")],
            &[("sasl.oauthbearer.method", "aws_msk_iam")],
        ] {
            let kept = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            assert_eq!(completed(pairs), kept.collect::<Vec<_>>());
        }
    }
}
