//! The AWS region of a cluster.

use std::env;

/// The ends of the host names of AWS: the commercial partition with GovCloud, China and the European sovereign cloud, then
/// the names with IPv6, then the isolated regions.
const SUFFIXES: [&str; 7] = [
    "amazonaws.com",
    "amazonaws.com.cn",
    "amazonaws.eu",
    "api.aws",
    "api.amazonwebservices.com.cn",
    "c2s.ic.gov",
    "sc2s.sgov.gov",
];

/// The region of a cluster of MSK: of the property `aws.region`, of the name of a bootstrap broker, of the environment. The
/// first that is known wins. `property` returns the value of a property that is set and not empty.
pub fn aws_region<'a>(property: impl Fn(&str) -> Option<&'a str>) -> Option<String> {
    let configured = property("aws.region").filter(|region| *region != "auto").map(str::to_owned);
    let brokers = property("bootstrap.servers").or(property("metadata.broker.list"));
    configured
        .or_else(|| brokers.unwrap_or_default().split(',').find_map(of_broker).map(str::to_owned))
        .or_else(|| ["AWS_REGION", "AWS_DEFAULT_REGION"].into_iter().find_map(of_environment))
}

/// The region in the name of a broker of MSK, such as `b-1.demo.x1.c2.kafka.eu-west-1.amazonaws.com:9098`. `None` for the
/// name of another host, such as an alias in a private zone.
fn of_broker(broker: &str) -> Option<&str> {
    let address = broker.trim().rsplit_once("://").map_or(broker.trim(), |(_, address)| address);
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host).trim_end_matches('.');
    let ends = |suffix: &&str| {
        host.len() > suffix.len() && host.is_char_boundary(host.len() - suffix.len()) && {
            let (front, end) = host.split_at(host.len() - suffix.len());
            front.ends_with('.') && end.eq_ignore_ascii_case(suffix)
        }
    };
    let suffix = SUFFIXES.iter().find(|suffix| ends(suffix))?;
    let front = &host[..host.len() - suffix.len() - 1];
    // The service is before the region: `kafka`, `kafka-serverless`, `kafka-fips`.
    let (front, region) = front.rsplit_once('.')?;
    let service = front.rsplit('.').next()?;
    let of_kafka = service.get(..5).is_some_and(|begin| begin.eq_ignore_ascii_case("kafka"));
    (of_kafka && is_aws_region(region)).then_some(region)
}

/// Whether a text has the form of a region: `eu-west-1`, `us-gov-west-1`, `us-isob-east-1`.
pub fn is_aws_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let word = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    match parts.split_last() {
        Some((last, words)) => (2..=4).contains(&words.len()) && words.iter().all(word) && number(last),
        None => false,
    }
}

fn of_environment(name: &str) -> Option<String> {
    env::var(name).ok().map(|region| region.trim().to_owned()).filter(|region| !region.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn region_is_in_the_names_of_the_brokers_of_msk() {
        let table = [
            ("b-1.demo.a1b2c3.c2.kafka.eu-west-1.amazonaws.com:9098", Some("eu-west-1")),
            ("b-2-public.demo.a1b2c3.c2.kafka.us-east-1.amazonaws.com:9198", Some("us-east-1")),
            ("boot-x1y2.c1.kafka-serverless.ap-southeast-2.amazonaws.com:9098", Some("ap-southeast-2")),
            ("b-1.demo.a1b2c3.c2.kafka.cn-north-1.amazonaws.com.cn:9098", Some("cn-north-1")),
            ("b-1.demo.a1b2c3.c2.kafka.us-gov-west-1.amazonaws.com:9098", Some("us-gov-west-1")),
            ("b-1.demo.a1b2c3.c2.kafka-fips.us-east-2.amazonaws.com:9098", Some("us-east-2")),
            ("b-1.demo.a1b2c3.c2.kafka.eu-central-1.api.aws:9098", Some("eu-central-1")),
            ("SASL_SSL://B-1.DEMO.A1.C2.KAFKA.eu-west-1.AmazonAWS.com.:9098", Some("eu-west-1")),
            (" b-1.demo.a1b2c3.c2.kafka.eusc-de-east-1.amazonaws.eu", Some("eusc-de-east-1")),
            ("kafka.example.com:9098", None),
            ("ec2-1-2-3-4.eu-west-1.compute.amazonaws.com:9098", None),
            ("b-1.kafka.eu-west-1.amazonaws.com.example.org:9098", None),
            ("kafka.nonsense.amazonaws.com:9098", None),
            ("amazonaws.com", None),
            ("ä.amazonaws.com", None),
            ("[::1]:9098", None),
            ("", None),
        ];
        for (broker, region) in table {
            assert_eq!(of_broker(broker), region, "{broker}");
        }
    }

    #[test]
    fn text_in_another_form_is_no_region() {
        for region in ["eu-west-1", "us-gov-east-1", "us-isob-east-1", "ap-southeast-10"] {
            assert!(is_aws_region(region), "{region}");
        }
        for text in
            ["", "eu", "eu-west", "EU-WEST-1", "eu-west-1a", "eu--1", "eu-west-1.evil.example", "-eu-west-1"]
        {
            assert!(!is_aws_region(text), "{text}");
        }
    }
}
