//! AWS's own client for MSK IAM: the library `aws-msk-iam-auth` in Kafka's command-line programs.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use super::{
    access_key::AccessKey,
    java::{compile, skip},
};
use crate::support::kafka::{install, tools::run_java};

const VERSION: &str = "2.3.6";
const HANDLER: &str = "software.amazon.msk.auth.iam.IAMOAuthBearerLoginCallbackHandler";

/// AWS's own client for MSK IAM.
pub(crate) struct AwsClient {
    class_path: String,
    folder: PathBuf,
}

impl AwsClient {
    /// The client, which Maven fetches at the first use. `None` skips the test.
    pub(crate) fn find() -> Option<&'static Self> {
        static FOUND: OnceLock<Result<AwsClient, String>> = OnceLock::new();
        FOUND.get_or_init(Self::try_find).as_ref().map_err(|why| skip(why)).ok()
    }

    fn try_find() -> Result<Self, String> {
        install::class_path()?;
        let folder = install::run_folder().join("aws-client");
        fs::create_dir_all(&folder).unwrap();
        let name = format!("aws-msk-iam-auth-{VERSION}");
        let property = format!("aws-msk-iam-auth.version={VERSION}");
        let jars = install::jars(&name, "msk_iam/pom.xml", &property)?;
        let class_path = compile("AwsMskIamToken.java", &folder, &[format!("{}/*", jars.display())])?;
        Ok(Self { class_path, folder })
    }

    /// A token as the client makes it.
    pub(crate) fn token(&self, key: &AccessKey, region: &str) -> String {
        let token = run_java(&self.class_path, &key.environment(region), "AwsMskIamToken", &[], "");
        token.expect("AWS's client makes a token").trim().to_owned()
    }

    /// Runs a class of Kafka's command line at a listener, signed in with an access key. `ca` is the authority of the listener's
    /// certificate if the listener uses TLS.
    ///
    /// # Errors
    /// What the class prints, if it fails.
    pub(crate) fn run(
        &self,
        key: &AccessKey,
        region: &str,
        bootstrap: &str,
        ca: Option<&Path>,
        command: &[&str],
    ) -> Result<String, String> {
        static RUN: AtomicU32 = AtomicU32::new(0);
        let (class, rest) = command.split_first().expect("a class");
        let (protocol, trust) = match ca {
            Some(ca) => {
                ("SASL_SSL", format!("ssl.truststore.type=PEM\nssl.truststore.location={}\n", ca.display()))
            }
            None => ("SASL_PLAINTEXT", String::new()),
        };
        let number = RUN.fetch_add(1, Ordering::Relaxed);
        let file = self.folder.join(format!("client-{number}.properties"));
        let properties = format!(
            "security.protocol={protocol}
sasl.mechanism=OAUTHBEARER
sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;
sasl.login.callback.handler.class={HANDLER}
sasl.client.callback.handler.class={HANDLER}
request.timeout.ms=20000
default.api.timeout.ms=40000
{trust}"
        );
        fs::write(&file, properties).unwrap();
        let file = file.display().to_string();
        let mut arguments = vec!["--bootstrap-server", bootstrap, "--command-config", &file];
        arguments.extend(rest);
        run_java(&self.class_path, &key.environment(region), class, &arguments, "")
    }
}
