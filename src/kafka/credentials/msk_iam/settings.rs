//! The properties of MSK IAM.

use aws_config::{meta::region::ProvideRegion, profile::ProfileFileRegionProvider};
use futures_util::FutureExt;

use crate::{
    config::{aws_region, is_aws_region},
    kafka::properties::PropertyReader,
};

/// The properties of MSK IAM. librdkafka itself gets none of them.
pub(in crate::kafka) const KEYS: [&str; 6] =
    ["aws.region", "aws.profile", ROLE, SESSION_NAME, EXTERNAL_ID, "aws.sts.region"];

const ROLE: &str = "aws.role.arn";
const SESSION_NAME: &str = "aws.role.session.name";
const EXTERNAL_ID: &str = "aws.role.external.id";

/// The session name of a role where none is set. It is a part of the principal that CloudTrail shows.
const DEFAULT_SESSION_NAME: &str = "kafka-heartbeat";

/// How the service signs in with MSK IAM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::kafka::credentials) struct MskIamSettings {
    /// The region of the cluster. A token is for one region.
    pub(super) region: String,
    /// The region of the STS endpoint.
    pub(super) sts_region: String,
    /// The profile of the shared configuration files. `None` for `AWS_PROFILE` or the profile `default`.
    pub(super) profile: Option<String>,
    /// A role that is assumed with the credentials that are found.
    pub(super) role: Option<Role>,
}

/// A role that is assumed for signing in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Role {
    pub(super) arn: String,
    pub(super) session_name: String,
    pub(super) external_id: Option<String>,
}

impl MskIamSettings {
    /// Reads the properties. `None` if one of them cannot be used; its error is left with the reader.
    pub(in crate::kafka::credentials) fn read(reader: &mut PropertyReader<'_>) -> Option<Self> {
        let before = reader.error_count();
        let role = role(reader);
        let profile = reader.get("aws.profile").map(str::to_owned);
        let region = aws_region(|key| reader.get(key)).or_else(|| of_profile(profile.as_deref()));
        if region.is_none() {
            let remedy =
                "is missing: set it to the region of the cluster, such as eu-west-1, or set AWS_REGION";
            reader.error("aws.region", remedy);
        }
        for (key, value) in
            [("aws.region", region.as_deref()), ("aws.sts.region", reader.get("aws.sts.region"))]
        {
            if value.is_some_and(|value| !is_aws_region(value)) {
                reader.error(key, "expected a region, such as eu-west-1");
            }
        }
        if reader.error_count() > before {
            return None;
        }
        let region = region?;
        let sts_region = reader.get("aws.sts.region").map_or_else(|| region.clone(), str::to_owned);
        Some(Self { region, sts_region, profile, role })
    }
}

/// The region of a profile of the shared configuration files. `None` if the profile or the files do not name one.
fn of_profile(profile: Option<&str>) -> Option<String> {
    let provider = ProfileFileRegionProvider::builder();
    let provider = match profile {
        Some(name) => provider.profile_name(name),
        None => provider,
    };
    // The provider reads files and waits for nothing.
    let region = provider.build().region().now_or_never().flatten()?;
    Some(region.as_ref().to_owned())
}

/// The role that is assumed. `None` without a role, or if its properties cannot be used, which is left with the reader.
fn role(reader: &mut PropertyReader<'_>) -> Option<Role> {
    let Some(arn) = reader.get(ROLE) else {
        reader.refuse([SESSION_NAME, EXTERNAL_ID], &format!("needs {ROLE}, the role that is assumed"));
        return None;
    };
    if !arn.starts_with("arn:") || !arn.contains(":role/") {
        reader.error(
            ROLE,
            "expected the ARN of a role, such as arn:aws:iam::123456789012:role/kafka-heartbeat",
        );
    }
    let session_name = reader.get(SESSION_NAME).unwrap_or(DEFAULT_SESSION_NAME).to_owned();
    // The pattern of RoleSessionName in the API reference of STS.
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
    if !(2..=64).contains(&session_name.len()) || !session_name.bytes().all(allowed) {
        reader.error(SESSION_NAME, "expected 2 to 64 letters, digits and the characters _+=,.@-");
    }
    Some(Role { arn: arn.to_owned(), session_name, external_id: reader.get(EXTERNAL_ID).map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Properties, Property};

    const ARN: &str = "arn:aws:iam::123456789012:role/kafka-heartbeat";

    /// The settings, or the errors of these properties.
    fn read(pairs: &[(&str, &str)]) -> Result<MskIamSettings, Vec<String>> {
        let property = |value: &str| Property { value: value.to_owned(), place: String::new() };
        let properties =
            Properties(pairs.iter().map(|(key, value)| ((*key).to_owned(), property(value))).collect());
        let mut reader = PropertyReader::new(&properties);
        let settings = MskIamSettings::read(&mut reader);
        settings.ok_or_else(|| reader.into_errors().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn role_has_a_session_name_and_sts_is_asked_in_the_region_of_the_cluster() {
        let settings = read(&[("aws.region", "eu-west-1"), (ROLE, ARN)]).expect("settings");
        let role = settings.role.expect("a role");
        assert_eq!((role.arn.as_str(), role.session_name.as_str()), (ARN, "kafka-heartbeat"));
        assert_eq!((settings.sts_region.as_str(), role.external_id), ("eu-west-1", None));
        let settings = read(&[
            ("aws.region", "eu-west-1"),
            (ROLE, ARN),
            (SESSION_NAME, "prober"),
            (EXTERNAL_ID, "x-1"),
            ("aws.sts.region", "us-east-1"),
            ("aws.profile", "kafka"),
        ]);
        let settings = settings.expect("settings");
        let role = settings.role.expect("a role");
        assert_eq!((role.session_name.as_str(), role.external_id.as_deref()), ("prober", Some("x-1")));
        assert_eq!((settings.sts_region.as_str(), settings.profile.as_deref()), ("us-east-1", Some("kafka")));
    }

    #[test]
    fn property_that_cannot_be_used_is_named_with_what_is_expected() {
        let region = ("aws.region", "eu-west-1");
        let table: [(&[(&str, &str)], &str); 6] = [
            (&[region, (SESSION_NAME, "prober")], "aws.role.session.name: needs aws.role.arn"),
            (&[region, (EXTERNAL_ID, "x")], "aws.role.external.id: needs aws.role.arn"),
            (&[region, (ROLE, "kafka-heartbeat")], "aws.role.arn: expected the ARN of a role"),
            (&[region, (ROLE, ARN), (SESSION_NAME, "a b")], "aws.role.session.name: expected 2 to 64"),
            (&[("aws.region", "https://x/")], "aws.region: expected a region"),
            (&[region, ("aws.sts.region", "europe")], "aws.sts.region: expected a region"),
        ];
        for (pairs, words) in table {
            let errors = read(pairs).expect_err(words);
            assert_eq!(errors.len(), 1, "{errors:?}");
            assert!(errors[0].starts_with(words), "{errors:?}");
        }
    }
}
