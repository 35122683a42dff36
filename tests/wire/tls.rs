//! Sessions with TLS: each way in which trust can fail has its own fault.

use std::time::SystemTime;

use kafka_heartbeat::kafka::{
    Fault, Stage,
    admin::{self, Topics},
};
use kafka_protocol::messages::{ApiVersionsRequest, MetadataRequest};
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use tokio_rustls::rustls::{
    RootCertStore, ServerConfig, SupportedProtocolVersion,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
    version::{TLS12, TLS13},
};

use super::*;
use crate::fake::{Manners, Reply};

const DAY: Duration = Duration::from_secs(86_400);

/// A certificate authority and its certificate in PEM.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its key, in PEM.
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        Self::named("ours")
    }

    fn named(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    pub(crate) fn identity(&self, name: &str, expiry: SystemTime) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = (SystemTime::now() - 20 * DAY).into();
        params.not_after = expiry.into();
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Identity { certificate, key: key.serialize_pem() }
    }

    /// The TLS settings of a broker. With `clients` the broker requires a certificate that this authority signed.
    pub(crate) fn server(
        &self,
        identity: &Identity,
        clients: bool,
        version: &'static SupportedProtocolVersion,
    ) -> ServerConfig {
        let provider = Arc::new(ring::default_provider());
        let builder =
            ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(&[version]).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap()).unwrap();
        let builder = if clients {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let chain = vec![CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
        builder.with_single_cert(chain, key).unwrap()
    }

    /// A broker named 127.0.0.1 whose certificate expires at this time.
    pub(crate) async fn broker(&self, expiry: SystemTime) -> Fake {
        let identity = self.identity("127.0.0.1", expiry);
        Fake::with(Manners::Polite, Some(self.server(&identity, false, &TLS13))).await
    }

    pub(crate) fn trusting(&self, more: &[(&str, &str)]) -> Client {
        client(&[&[("security.protocol", "ssl"), ("ssl.ca.pem", &self.pem)], more].concat())
    }
}

pub(crate) fn in_a_month() -> SystemTime {
    SystemTime::now() + 30 * DAY
}

async fn refused(client: &Client, fake: &Fake) -> (Opening, Stage, Fault) {
    let opening = open(client, &fake.endpoint()).await;
    let error = opening.result.as_ref().expect_err("a session that must fail");
    let (stage, fault) = (error.stage().unwrap(), error.fault());
    (opening, stage, fault)
}

fn close(expiry: Option<SystemTime>, expected: SystemTime) -> bool {
    let expiry = expiry.expect("the handshake showed a certificate");
    let difference = expiry.duration_since(expected).unwrap_or_else(|error| error.duration());
    difference < Duration::from_secs(2)
}

#[tokio::test]
async fn trusted_broker_has_a_tls_stage_and_a_certificate_expiry() {
    let (authority, expiry) = (Authority::new(), in_a_month());
    let fake = authority.broker(expiry).await;
    for _ in 0..2 {
        let opening = open(&authority.trusting(&[]), &fake.endpoint()).await;
        let stages: Vec<_> = opening.stages.iter().map(|(stage, _)| *stage).collect();
        assert_eq!(stages, [Stage::Dns, Stage::Tcp, Stage::Tls, Stage::ApiVersions]);
        assert!(close(opening.certificate_expiry, expiry), "the expiry is known after the second handshake");
        let connection = opening.result.unwrap();
        let range = wire::VersionRange { lowest: 4, highest: 12 };
        connection.ask(&MetadataRequest::default(), range, soon()).await.unwrap();
    }
}

#[tokio::test]
async fn brokers_that_are_silent_after_the_handshake_do_not_hide_a_healthy_one() {
    let authority = Authority::new();
    let (silent, other) = (authority.broker(in_a_month()).await, authority.broker(in_a_month()).await);
    for fake in [&silent, &other] {
        fake.on(|_: ApiVersionsRequest, _| Reply::Silence);
    }
    let opening = wire::open(&authority.trusting(&[]), &silent.endpoint(), Duration::from_secs(2)).await;
    let error = opening.result.unwrap_err();
    assert_eq!((error.stage(), error.fault()), (Some(Stage::ApiVersions), Fault::Timeout));
    assert_eq!(opening.stages.last().map(|(stage, _)| *stage), Some(Stage::Tls));
    let healthy = authority.broker(in_a_month()).await;
    let servers = [&silent, &other, &healthy].map(|fake| fake.address.to_string()).join(",");
    let client = authority.trusting(&[("bootstrap.servers", &servers)]);
    let cluster = Cluster::new(Arc::new(client), AMPLE / 4);
    admin::metadata(&cluster, Topics::All).await.unwrap();
    assert_eq!(healthy.count::<MetadataRequest>(), 1);
}

#[tokio::test]
async fn certificate_of_an_unknown_ca_has_its_own_fault_and_a_known_expiry() {
    let (authority, expiry) = (Authority::new(), in_a_month());
    let fake = authority.broker(expiry).await;
    // A certificate of an unknown authority, and one of an authority with the name of the trusted one.
    for other in [Authority::named("theirs"), Authority::new()] {
        let (opening, stage, fault) = refused(&other.trusting(&[]), &fake).await;
        assert_eq!((stage, fault), (Stage::Tls, Fault::CertificateUnknownCa));
        assert!(close(opening.certificate_expiry, expiry));
        assert_eq!(opening.stages.len(), 2);
    }
}

#[tokio::test]
async fn certificate_that_has_expired_has_its_own_fault_and_a_known_expiry() {
    let (authority, expiry) = (Authority::new(), SystemTime::now() - DAY);
    let fake = authority.broker(expiry).await;
    let (opening, stage, fault) = refused(&authority.trusting(&[]), &fake).await;
    assert_eq!((stage, fault), (Stage::Tls, Fault::CertificateExpired));
    assert!(close(opening.certificate_expiry, expiry));
}

#[tokio::test]
async fn certificate_of_another_host_has_its_own_fault_unless_names_are_not_verified() {
    let authority = Authority::new();
    let identity = authority.identity("other.example", in_a_month());
    let server = authority.server(&identity, false, &TLS13);
    let fake = Fake::with(Manners::Polite, Some(server)).await;
    let (_, stage, fault) = refused(&authority.trusting(&[]), &fake).await;
    assert_eq!((stage, fault), (Stage::Tls, Fault::CertificateWrongHost));
    let any_name = [("ssl.endpoint.identification.algorithm", "none")];
    assert!(open(&authority.trusting(&any_name), &fake.endpoint()).await.result.is_ok());
    let (_, _, fault) = refused(&Authority::new().trusting(&any_name), &fake).await;
    assert_eq!(fault, Fault::CertificateUnknownCa, "the signature still matters");
}

#[tokio::test]
async fn certificate_of_any_ca_is_accepted_without_verification() {
    let fake = Authority::new().broker(SystemTime::now() - DAY).await;
    let careless = client(&[("security.protocol", "SSL"), ("enable.ssl.certificate.verification", "false")]);
    let opening = open(&careless, &fake.endpoint()).await;
    assert!(opening.certificate_expiry.is_some());
    assert!(opening.result.is_ok());
}

#[tokio::test]
async fn client_without_a_trusted_certificate_is_refused_by_a_broker_that_requires_one() {
    let authority = Authority::new();
    let identity = authority.identity("127.0.0.1", in_a_month());
    let ours = authority.identity("client", in_a_month());
    let strange = Authority::named("theirs").identity("client", in_a_month());
    for version in [&TLS12, &TLS13] {
        let server = authority.server(&identity, true, version);
        let fake = Fake::with(Manners::Polite, Some(server)).await;
        let with = |identity: &Identity| {
            let pair = [("ssl.certificate.pem", &*identity.certificate), ("ssl.key.pem", &*identity.key)];
            authority.trusting(&pair)
        };
        // With TLS 1.3 the broker's refusal comes only after the handshake.
        let expected = if *version == TLS13 { Stage::ApiVersions } else { Stage::Tls };
        for client in [authority.trusting(&[]), with(&strange)] {
            let (opening, stage, fault) = refused(&client, &fake).await;
            let error = opening.result.unwrap_err();
            assert_eq!((stage, fault), (expected, Fault::CertificateRefused), "{}", words(&error));
        }
        assert!(open(&with(&ours), &fake.endpoint()).await.result.is_ok());
    }
}

#[tokio::test]
async fn security_protocol_that_is_wrong_is_a_fault_with_a_hint_on_either_side() {
    let authority = Authority::new();
    let plaintext = Fake::with(Manners::Curt, None).await;
    let (opening, stage, fault) = refused(&authority.trusting(&[]), &plaintext).await;
    assert_eq!((stage, fault), (Stage::Tls, Fault::Tls));
    assert!(fault.hint().unwrap().contains("security.protocol"));
    let error = opening.result.err().unwrap();
    assert!(
        words(&error).contains("the port may speak plaintext, check security.protocol"),
        "{}",
        words(&error)
    );

    let fake = authority.broker(in_a_month()).await;
    let (opening, stage, fault) = refused(&client(&[]), &fake).await;
    assert_eq!((stage, fault), (Stage::ApiVersions, Fault::Protocol));
    let printed = words(&opening.result.unwrap_err());
    assert!(printed.contains("TLS") && printed.contains("security.protocol"), "{printed}");
}

#[tokio::test]
async fn certificates_are_read_from_files_and_folders() {
    let authority = Authority::new();
    let identity = authority.identity("127.0.0.1", in_a_month());
    let fake = Fake::with(Manners::Polite, Some(authority.server(&identity, true, &TLS13))).await;
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let ours = authority.identity("client", in_a_month());
    let (certificate, key) = (write("us.pem", &ours.certificate), write("us.key", &ours.key));
    let ca = write("ca.pem", &authority.pem);
    for place in [ca.as_str(), folder.path().to_str().unwrap()] {
        let client = client(&[
            ("security.protocol", "ssl"),
            ("ssl.ca.location", place),
            ("ssl.certificate.location", &certificate),
            ("ssl.key.location", &key),
        ]);
        assert!(open(&client, &fake.endpoint()).await.result.is_ok(), "{place}");
    }
}

/// The encrypted form of a key, as `openssl pkcs8 -topk8` writes it.
fn encrypted(identity: &Identity, password: &str) -> String {
    use pkcs8::{PrivateKeyInfoRef, SecretDocument, der::pem::LineEnding};
    let (_, plain) = SecretDocument::from_pem(&identity.key).unwrap();
    let key = PrivateKeyInfoRef::try_from(plain.as_bytes()).unwrap();
    let parameters =
        pkcs8::pkcs5::pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(2048, b"saltsalt", [7; 16])
            .unwrap();
    let sealed = key.encrypt_with_params(parameters, password).unwrap();
    sealed.to_pem("ENCRYPTED PRIVATE KEY", LineEnding::LF).unwrap().to_string()
}

#[test]
fn key_that_is_encrypted_is_read_only_with_its_password() {
    let authority = Authority::new();
    let ours = authority.identity("client", in_a_month());
    let sealed = encrypted(&ours, "s3cr3t");
    let with = |password: &str| {
        parse(&[
            ("security.protocol", "ssl"),
            ("ssl.ca.pem", &authority.pem),
            ("ssl.certificate.pem", &ours.certificate),
            ("ssl.key.pem", &sealed),
            ("ssl.key.password", password),
        ])
    };
    assert!(with("s3cr3t").is_ok(), "{:?}", with("s3cr3t").err());
    for wrong in ["", "other-s3cr3t"] {
        let errors = with(wrong).unwrap_err();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].key.starts_with("ssl.key"), "{errors:?}");
        assert!(!format!("{errors:?}").contains("s3cr3t"), "{errors:?}");
    }
}

#[test]
fn file_that_is_no_certificate_or_key_is_refused_at_the_start_by_name() {
    let authority = Authority::new();
    let [ours, other] = ["a", "b"].map(|name| authority.identity(name, in_a_month()));
    let base = [("security.protocol", "ssl"), ("ssl.ca.pem", authority.pem.as_str())];
    for (more, key) in [
        (vec![("ssl.ca.location", "/no/such/file"), ("ssl.ca.pem", "")], "ssl.ca.location"),
        (vec![("ssl.ca.pem", "-----")], "ssl.ca.location"),
        (vec![("ssl.certificate.pem", &*ours.certificate)], "ssl.key.location"),
        (vec![("ssl.key.pem", &*ours.key)], "ssl.certificate.location"),
        (vec![("ssl.certificate.pem", "x"), ("ssl.key.pem", &*ours.key)], "ssl.certificate.location"),
        (vec![("ssl.certificate.pem", &*ours.certificate), ("ssl.key.pem", "x")], "ssl.key.location"),
        (vec![("ssl.certificate.pem", &*ours.certificate), ("ssl.key.pem", &*other.key)], "ssl.key.location"),
    ] {
        let refused = refusals(&[&base[..], &more].concat());
        assert_eq!(refused.keys().collect::<Vec<_>>(), [key], "{refused:?}");
    }
}
