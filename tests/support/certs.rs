//! Certificates for the TLS tests, made again in each run.
//!
//! Nothing here is a secret: the keys live in `target/` and open nothing but a test's own sockets.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};

/// A certificate authority.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate chain and its key, both PEM; the key is PKCS#8 and not encrypted.
pub(crate) struct Identity {
    /// The leaf, then nothing: the authority is the root.
    pub(crate) certificate: String,
    /// The private key.
    pub(crate) key: String,
}

/// Files of an identity, as clients want them.
#[derive(Debug, Clone)]
pub(crate) struct IdentityPaths {
    /// `ssl.certificate.location`
    pub(crate) certificate: PathBuf,
    /// `ssl.key.location`
    pub(crate) key: PathBuf,
}

impl Authority {
    /// An authority with a fresh key.
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// The root certificate.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// A broker's certificate for `localhost` and `127.0.0.1`, valid from an hour ago.
    pub(crate) fn server(&self, valid_for: Duration) -> Identity {
        let now = SystemTime::now();
        self.sign(server_params("broker"), now - Duration::from_secs(3600), now + valid_for)
    }

    /// A broker's certificate that expired an hour ago.
    pub(crate) fn expired_server(&self) -> Identity {
        let hour = Duration::from_secs(3600);
        let now = SystemTime::now();
        self.sign(server_params("broker"), now - 48 * hour, now - hour)
    }

    /// A broker's certificate for a host that is not this one.
    pub(crate) fn server_elsewhere(&self) -> Identity {
        let now = SystemTime::now();
        let mut params = server_params("broker");
        params.subject_alt_names = vec![SanType::DnsName("elsewhere.example".try_into().expect("a name"))];
        self.sign(params, now - Duration::from_secs(3600), now + Duration::from_secs(3600))
    }

    /// A client's certificate that is valid for a day; Kafka calls its owner `User:CN=<name>`.
    pub(crate) fn client(&self, name: &str) -> Identity {
        self.client_for(name, Duration::from_secs(86_400))
    }

    /// [`Authority::client`] with another validity.
    pub(crate) fn client_for(&self, name: &str, valid_for: Duration) -> Identity {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let now = SystemTime::now();
        self.sign(params, now - Duration::from_secs(3600), now + valid_for)
    }

    fn sign(&self, mut params: CertificateParams, from: SystemTime, to: SystemTime) -> Identity {
        params.not_before = from.into();
        params.not_after = to.into();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate").pem();
        Identity { certificate, key: key.serialize_pem() }
    }
}

impl Identity {
    /// Writes `<name>.pem` and `<name>.key` into a folder.
    pub(crate) fn write(&self, folder: &Path, name: &str) -> IdentityPaths {
        let paths = IdentityPaths {
            certificate: folder.join(format!("{name}.pem")),
            key: folder.join(format!("{name}.key")),
        };
        fs::write(&paths.certificate, &self.certificate).expect("a written file");
        fs::write(&paths.key, &self.key).expect("a written file");
        paths
    }
}

fn server_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.subject_alt_names = vec![
        SanType::DnsName("localhost".try_into().expect("a name")),
        SanType::IpAddress([127, 0, 0, 1].into()),
    ];
    params
}
