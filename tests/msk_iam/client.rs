//! The program as a client of MSK IAM.

use std::process::Output;

use crate::support::{
    msk_iam::{
        access_key::AccessKey,
        broker::{IamListener, MskIam, REGION},
    },
    service::{Service, program},
};

/// Variables of the environment with which the program finds credentials.
pub(crate) type Environment = Vec<(&'static str, String)>;

/// An environment without credentials. Files of the machine do not matter in it.
pub(crate) fn empty() -> Environment {
    vec![
        ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ("AWS_REGION", REGION.to_owned()),
        ("NO_PROXY", "*".to_owned()),
    ]
}

/// An empty environment with other variables.
pub(crate) fn with(others: &[(&'static str, &str)]) -> Environment {
    let others = others.iter().map(|(name, value)| (*name, (*value).to_owned()));
    empty().into_iter().chain(others).collect()
}

/// The properties of a client of a listener, by the shortest spelling.
pub(crate) fn properties(broker: &MskIam, listener: IamListener) -> Vec<String> {
    let mut properties = vec![
        format!("bootstrap.servers={}", broker.bootstrap(listener)),
        "sasl.mechanism=AWS_MSK_IAM".to_owned(),
    ];
    if listener == IamListener::Tls {
        properties.push(format!("ssl.ca.location={}", broker.ca_pem_path().display()));
    } else {
        properties.push("security.protocol=SASL_PLAINTEXT".to_owned());
    }
    properties
}

/// Runs `probe` with an environment. Returns its exit code and what it writes.
pub(crate) fn probe(environment: &Environment, properties: &[String]) -> (Option<i32>, String) {
    let mut probe = program();
    probe.args(["probe", "--count", "3"]);
    for property in properties {
        match property.strip_prefix("bootstrap.servers=") {
            Some(servers) => probe.args(["--bootstrap-servers", servers]),
            None => probe.args(["-X", property]),
        };
    }
    without_aws(&mut probe);
    let output = probe.env("RUST_LOG", "trace").envs(environment.iter().cloned()).output();
    let Output { status, stdout, stderr } = output.expect("the program runs");
    (status.code(), format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
}

/// Starts a service that sends heartbeats, with every line of its log.
pub(crate) fn service(environment: &Environment, properties: &[String]) -> Service {
    let mut variables: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    variables.push(("RUST_LOG", "trace"));
    let config = format!(
        "[kafka]\nname = k\n{}\n[heartbeat]\ninterval = 200ms\n[connectivity]\ninterval = 1s\n\
         [metadata]\ninterval = 1s\n[lag]\ninterval = 1s\n",
        properties.join("\n")
    );
    Service::start_in(&variables, &config)
}

/// Asserts that no secret of these keys is in a text.
pub(crate) fn assert_no_secret(text: &str, keys: &[AccessKey]) {
    for key in keys {
        assert!(!text.contains(&key.secret), "the secret of {} is written", key.id);
        let token = key.session_token.as_deref();
        assert!(
            token.is_none_or(|token| !text.contains(token)),
            "the session token of {} is written",
            key.id
        );
    }
    // Each token begins with `https://kafka.` in base64url.
    assert!(!text.contains("aHR0cHM6Ly9rYWZrYS"), "a token is written");
}

fn without_aws(command: &mut std::process::Command) {
    let names = std::env::vars_os().map(|(name, _)| name);
    let names = names.filter(|name| name.to_string_lossy().starts_with("AWS_"));
    names.for_each(|name| _ = command.env_remove(name));
}
