//! Assertions: signed statements about the client that stand in for a secret (RFC 7523, section 3).

use std::{
    fs,
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::{Duration, SystemTime},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Map, Value};
use tokio_rustls::rustls::{
    SignatureScheme,
    crypto::ring::sign::any_supported_type,
    sign::{Signer, SigningKey},
};

use super::{clocks::ClockDifference, token_file::TokenFile};
use crate::{
    clock::since_1970,
    closed_enum::closed_enum,
    config::secret::remember_issued,
    kafka::{
        Error, Fault, Stage,
        private_key::{KeyProblem, private_key},
        properties::PropertyReader,
    },
};

closed_enum! {
    /// The algorithms of signatures that librdkafka knows.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Algorithm {
        /// RSA with PKCS#1 and SHA-256.
        Rs256 = "RS256",
        /// ECDSA with P-256 and SHA-256.
        Es256 = "ES256",
    }
}

const FILE: &str = "sasl.oauthbearer.assertion.file";
const KEY_FILE: &str = "sasl.oauthbearer.assertion.private.key.file";
const KEY_PEM: &str = "sasl.oauthbearer.assertion.private.key.pem";
const PASSPHRASE: &str = "sasl.oauthbearer.assertion.private.key.passphrase";
const ALGORITHM: &str = "sasl.oauthbearer.assertion.algorithm";
const EXPIRY: &str = "sasl.oauthbearer.assertion.claim.exp.seconds";
const NOT_BEFORE: &str = "sasl.oauthbearer.assertion.claim.nbf.seconds";
const WITH_ID: &str = "sasl.oauthbearer.assertion.claim.jti.include";
const TEMPLATE: &str = "sasl.oauthbearer.assertion.jwt.template.file";
/// The properties of the claims that are texts, and the claims.
const CLAIMS: [(&str, &str); 3] = [
    ("sasl.oauthbearer.assertion.claim.aud", "aud"),
    ("sasl.oauthbearer.assertion.claim.iss", "iss"),
    ("sasl.oauthbearer.assertion.claim.sub", "sub"),
];

/// The properties that name a file which is read together with the properties.
pub(in crate::kafka) const FILES: [&str; 2] = [KEY_FILE, TEMPLATE];

/// Every property of an assertion.
pub(super) const KEYS: [&str; 12] = [
    FILE,
    KEY_FILE,
    KEY_PEM,
    PASSPHRASE,
    ALGORITHM,
    EXPIRY,
    NOT_BEFORE,
    WITH_ID,
    TEMPLATE,
    CLAIMS[0].0,
    CLAIMS[1].0,
    CLAIMS[2].0,
];

/// Where assertions come from.
#[derive(Debug)]
pub(super) enum Assertion {
    /// A file that another program renews.
    File(TokenFile),
    /// A key with which each assertion is signed.
    Key(AssertionKey),
}

/// A key, and what is the same in each assertion that it signs.
#[derive(Debug)]
pub(super) struct AssertionKey {
    key: Arc<dyn SigningKey>,
    algorithm: Algorithm,
    header: Map<String, Value>,
    claims: Map<String, Value>,
    /// The seconds after which an assertion expires.
    expiry: u64,
    /// The seconds before its time of issue from which an assertion is valid.
    not_before: u64,
    /// Whether each assertion has an id of its own, the claim `jti`.
    with_id: bool,
}

impl Assertion {
    /// Reads the properties, and the files of the key and of the template. `None` if one of them cannot be used; its error
    /// is left with the reader.
    pub(super) fn read(reader: &mut PropertyReader<'_>) -> Option<Self> {
        let Some(path) = reader.get(FILE) else { return AssertionKey::read(reader).map(Self::Key) };
        let before = reader.error_count();
        let others = KEYS.into_iter().filter(|key| *key != FILE);
        reader.refuse(others, &format!("remove it: {FILE} names a file with a whole assertion"));
        (reader.error_count() == before).then(|| Self::File(TokenFile::new(path.into())))
    }

    /// Whether an assertion that is issued now is valid by another clock. It is true for an assertion in a file, whose time of
    /// issue is not known.
    pub(super) fn is_valid_at(&self, clocks: ClockDifference) -> bool {
        match (self, clocks) {
            (Self::File(_), _) => true,
            (Self::Key(key), ClockDifference::Ahead(time)) => time.as_secs() < key.expiry,
            (Self::Key(key), ClockDifference::Behind(time)) => time.as_secs() <= key.not_before,
        }
    }

    /// An assertion that is valid now.
    ///
    /// # Errors
    /// [`Fault::TokenFile`] if its file cannot be used, and [`Fault::InvalidClient`] if the key does not sign.
    pub(super) async fn obtain(&self) -> Result<String, Error> {
        let (text, until) = match self {
            Self::File(file) => {
                let token = file.read().await?;
                (token.reveal().to_owned(), token.usable_until())
            }
            Self::Key(key) => {
                let now = SystemTime::now();
                let signed = key.sign(now).map_err(|words| {
                    Error::new(Fault::InvalidClient, "no assertion for the identity provider")
                        .at(Stage::Sasl)
                        .because(words)
                })?;
                (signed, now + Duration::from_secs(key.expiry))
            }
        };
        remember_issued(&text, until);
        Ok(text)
    }
}

impl AssertionKey {
    fn read(reader: &mut PropertyReader<'_>) -> Option<Self> {
        let before = reader.error_count();
        let algorithm = one_of(reader, ALGORITHM, Algorithm::ALL.map(|one| (one.as_str(), one)));
        let expiry = seconds(reader, EXPIRY, 1, 300);
        let not_before = seconds(reader, NOT_BEFORE, 0, 60);
        let with_id = one_of(reader, WITH_ID, [("false", false), ("true", true)]);
        let (header, mut claims) = template(reader).unwrap_or_default();
        for (property, claim) in CLAIMS {
            if let Some(value) = reader.get(property) {
                claims.insert(claim.to_owned(), value.into());
            }
        }
        let key = signing_key(reader, algorithm);
        if reader.error_count() > before {
            return None;
        }
        Some(Self { key: key?, algorithm, header, claims, expiry, not_before, with_id })
    }

    /// An assertion that is issued at this instant.
    ///
    /// # Errors
    /// Why the key does not sign.
    fn sign(&self, now: SystemTime) -> Result<String, String> {
        let (mut header, mut claims) = (self.header.clone(), self.claims.clone());
        header.insert("alg".to_owned(), self.algorithm.as_str().into());
        header.insert("typ".to_owned(), "JWT".into());
        let issued = since_1970(now).as_secs();
        let times = [
            ("iat", issued),
            ("exp", issued.saturating_add(self.expiry)),
            ("nbf", issued.saturating_sub(self.not_before)),
        ];
        claims.extend(times.map(|(claim, at)| (claim.to_owned(), at.into())));
        if self.with_id {
            claims.insert("jti".to_owned(), id().into());
        }
        let part = |map: Map<String, Value>| BASE64_URL_SAFE_NO_PAD.encode(Value::Object(map).to_string());
        let text = format!("{}.{}", part(header), part(claims));
        let signer = signer(&*self.key, self.algorithm).ok_or("the key does not fit the algorithm")?;
        let signature = signer.sign(text.as_bytes()).map_err(|error| error.to_string())?;
        let signature = match self.algorithm {
            Algorithm::Rs256 => signature,
            Algorithm::Es256 => fixed(&signature).ok_or("the signature cannot be read")?.into(),
        };
        Ok(format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
    }
}

fn signer(key: &dyn SigningKey, algorithm: Algorithm) -> Option<Box<dyn Signer>> {
    key.choose_scheme(&[match algorithm {
        Algorithm::Rs256 => SignatureScheme::RSA_PKCS1_SHA256,
        Algorithm::Es256 => SignatureScheme::ECDSA_NISTP256_SHA256,
    }])
}

/// The signature of a JSON Web Token (RFC 7518, section 3.4) from the ASN.1 of TLS: SEQUENCE { INTEGER r, INTEGER s }
/// becomes r and s, each with 32 bytes. `None` if it is no such signature.
fn fixed(der: &[u8]) -> Option<[u8; 64]> {
    let integer = |der: &[u8]| -> Option<([u8; 32], usize)> {
        let [0x02, length, rest @ ..] = der else { return None };
        let length = usize::from(*length);
        let bytes = rest.get(..length)?;
        // A leading zero only says that the number is positive.
        let bytes = bytes.strip_prefix(&[0]).unwrap_or(bytes);
        let mut padded = [0; 32];
        padded.get_mut(32_usize.checked_sub(bytes.len())?..)?.copy_from_slice(bytes);
        Some((padded, 2 + length))
    };
    let [0x30, _, body @ ..] = der else { return None };
    let (r, length) = integer(body)?;
    let (s, _) = integer(body.get(length..)?)?;
    let mut both = [0; 64];
    both[..32].copy_from_slice(&r);
    both[32..].copy_from_slice(&s);
    Some(both)
}

/// An id that no other assertion has. It need not be secret.
fn id() -> String {
    let random = || RandomState::new().hash_one(());
    format!("{:016x}{:016x}", random(), random())
}

/// The key of the properties, which must fit the algorithm.
fn signing_key(reader: &mut PropertyReader<'_>, algorithm: Algorithm) -> Option<Arc<dyn SigningKey>> {
    let (key, text) = match (reader.get(KEY_PEM), reader.get(KEY_FILE)) {
        (Some(_), Some(_)) => {
            reader.error(KEY_PEM, format!("remove it or {KEY_FILE}: one key is enough"));
            return None;
        }
        (Some(pem), None) => (KEY_PEM, pem.as_bytes().to_vec()),
        (None, Some(path)) => (KEY_FILE, file(reader, KEY_FILE, KEY_PEM, path)?),
        (None, None) => {
            reader.error(KEY_FILE, format!("is missing: name the private key, or an assertion in {FILE}"));
            return None;
        }
    };
    let found = match private_key(&text, reader.get(PASSPHRASE)) {
        Ok(found) => any_supported_type(&found).ok(),
        Err(KeyProblem::Password) => {
            reader.error(PASSPHRASE, "does not open the key (PKCS#8, PEM)");
            return None;
        }
        Err(KeyProblem::Missing) => {
            reader.error(key, "holds no PEM private key");
            return None;
        }
    };
    let fits = found.filter(|found| signer(&**found, algorithm).is_some());
    if fits.is_none() {
        let (algorithm, wanted) = match algorithm {
            Algorithm::Rs256 => ("RS256", "an RSA key of at least 2048 bits"),
            Algorithm::Es256 => ("ES256", "an elliptic-curve key on P-256"),
        };
        reader.error(key, format!("{algorithm} needs {wanted}: set {ALGORITHM} to the algorithm of the key"));
    }
    fits
}

/// The header and the claims of the template: an object of JSON with the objects `header` and `payload`. `None` if there is
/// no template, or if it cannot be used, which is left as an error with the reader.
fn template(reader: &mut PropertyReader<'_>) -> Option<(Map<String, Value>, Map<String, Value>)> {
    let path = reader.get(TEMPLATE)?;
    // No property holds the text of a template, so the text takes the place of the path.
    let bytes = file(reader, TEMPLATE, TEMPLATE, path)?;
    let mut template: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let mut part = |name: &str| match template.get_mut(name).map(Value::take) {
        Some(Value::Object(part)) => Some(part),
        _ => None,
    };
    let parts = part("header").zip(part("payload"));
    if parts.is_none() {
        reader.error(TEMPLATE, r#"expected an object of JSON with the objects "header" and "payload""#);
    }
    parts
}

/// The content of a file, which is noted for the property `pem`. A file that cannot be read is an error of the property
/// `key`.
fn file(reader: &mut PropertyReader<'_>, key: &str, pem: &str, path: &str) -> Option<Vec<u8>> {
    let read = fs::read(path);
    let bytes = read.inspect_err(|error| reader.error(key, format!("cannot read {path}: {error}"))).ok()?;
    reader.note_file(key, pem, bytes.clone());
    Some(bytes)
}

/// The value of a property with known values; the first of them if the property is not set or is wrong, which is an error.
fn one_of<T: Copy, const N: usize>(reader: &mut PropertyReader<'_>, key: &str, known: [(&str, T); N]) -> T {
    let text = reader.get(key).unwrap_or(known[0].0);
    let found = known.iter().find(|(name, _)| *name == text);
    if found.is_none() {
        reader.error(key, format!("expected {}", known.map(|(name, _)| name).join(" or ")));
    }
    found.unwrap_or(&known[0]).1
}

/// A number of seconds from `lowest` on; the default if the property is not set or is wrong, which is an error.
fn seconds(reader: &mut PropertyReader<'_>, key: &str, lowest: u32, default: u32) -> u64 {
    let Some(text) = reader.get(key) else { return default.into() };
    // librdkafka reads an `int`.
    match text.parse::<u32>().ok().filter(|number| (lowest..=i32::MAX as u32).contains(number)) {
        Some(number) => number.into(),
        None => {
            reader.error(key, format!("expected a number of seconds from {lowest} on"));
            default.into()
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use tokio_rustls::rustls::{crypto::ring::default_provider, pki_types::alg_id};

    use super::*;
    use crate::{
        clock::from_unix_seconds,
        config::{Properties, Property},
    };

    const RSA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/assertion-key.pem");

    /// The assertion, or the errors of these properties.
    fn read(pairs: &[(&str, &str)]) -> Result<Assertion, String> {
        let property = |value: &str| Property { value: value.to_owned(), place: "config.ini:1".to_owned() };
        let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), property(value)));
        let properties = Properties(pairs.collect());
        let mut reader = PropertyReader::new(&properties);
        let found = Assertion::read(&mut reader);
        let words = || reader.into_errors().iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        found.ok_or_else(words)
    }

    fn signed(pairs: &[(&str, &str)]) -> String {
        let Assertion::Key(key) = read(pairs).expect("a key") else { panic!("no file is set") };
        key.sign(from_unix_seconds(1000).expect("an instant")).expect("a signature")
    }

    /// A part of an assertion as JSON.
    pub(in super::super) fn part(assertion: &str, number: usize) -> Value {
        let part = assertion.split('.').nth(number).expect("three parts");
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(part).expect("base64");
        serde_json::from_slice(&bytes).expect("JSON")
    }

    #[test]
    fn assertion_of_an_rsa_key_is_the_one_that_openssl_signs() {
        let folder = tempfile::tempdir().expect("a folder");
        let template = folder.path().join("template.json");
        let text = r#"{"header":{"kid":"7","alg":"none"},"payload":{"sub":"other","tenant":"t","exp":1}}"#;
        fs::write(&template, text).expect("a file");
        let pairs = [
            (KEY_FILE, RSA),
            (TEMPLATE, template.to_str().expect("UTF-8")),
            (CLAIMS[0].0, "https://idp.example"),
            (CLAIMS[1].0, "me"),
            (CLAIMS[2].0, "me"),
        ];
        let expected = include_str!("../../../tests/fixtures/assertion.jwt").trim_end();
        assert_eq!(signed(&pairs), expected);
    }

    #[test]
    fn assertion_of_an_elliptic_curve_key_has_a_signature_of_64_bytes_that_its_public_key_verifies() {
        let pair = rcgen::KeyPair::generate().expect("a key on P-256");
        let pem = pair.serialize_pem();
        let settings = [
            (KEY_PEM, pem.as_str()),
            (ALGORITHM, "ES256"),
            (WITH_ID, "true"),
            (EXPIRY, "9"),
            (NOT_BEFORE, "0"),
        ];
        let (first, second) = (signed(&settings), signed(&settings));
        let claims = part(&first, 1);
        assert_eq!((&claims["exp"], &claims["nbf"]), (&1009.into(), &1000.into()));
        assert_ne!(claims["jti"], part(&second, 1)["jti"], "each assertion has an id of its own");
        assert!(is_signed_by(&first, &pair));
    }

    /// Whether an assertion has the signature of a key on P-256.
    pub(in super::super) fn is_signed_by(assertion: &str, pair: &rcgen::KeyPair) -> bool {
        let (text, signature) = assertion.rsplit_once('.').expect("three parts");
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).expect("base64");
        assert_eq!(signature.len(), 64);
        let verifiers = default_provider().signature_verification_algorithms.all;
        verifiers.iter().any(|verifier| {
            verifier.signature_alg_id() == alg_id::ECDSA_SHA256
                && verifier.verify_signature(pair.public_key_raw(), text.as_bytes(), &der(&signature)).is_ok()
        })
    }

    /// The ASN.1 of a signature with r and s.
    fn der(fixed: &[u8]) -> Vec<u8> {
        let integer = |bytes: &[u8]| {
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            let mut number = bytes[zeros..].to_vec();
            if number.first().is_none_or(|first| *first >= 0x80) {
                number.insert(0, 0);
            }
            [&[0x02, number.len() as u8], number.as_slice()].concat()
        };
        let body = [integer(&fixed[..32]), integer(&fixed[32..])].concat();
        [&[0x30, body.len() as u8], body.as_slice()].concat()
    }

    #[test]
    fn numbers_of_a_signature_are_padded_and_lose_their_sign() {
        for first in [0x00, 0x01, 0x7f, 0x80, 0xff] {
            let mut both = [0x55; 64];
            (both[0], both[32]) = (first, 0);
            assert_eq!(fixed(&der(&both)), Some(both), "{first}");
        }
        for bad in [&[][..], &[0x30], &[0x30, 2, 2, 9], &[0x30, 4, 2, 0, 2, 40]] {
            assert_eq!(fixed(bad), None);
        }
    }

    #[test]
    fn property_that_cannot_be_used_is_refused_with_a_remedy_and_without_the_key() {
        let rsa = fs::read_to_string(RSA).expect("the key");
        let table: [(&[(&str, &str)], &str); 10] = [
            (&[], "private.key.file: is missing: name the private key"),
            (&[(KEY_FILE, "/nowhere/key.pem")], "private.key.file: cannot read /nowhere/key.pem"),
            (&[(KEY_PEM, "hush")], "private.key.pem: holds no PEM private key"),
            (&[(KEY_PEM, &rsa), (KEY_FILE, RSA)], "one key is enough"),
            (&[(KEY_FILE, RSA), (ALGORITHM, "ES256")], "ES256 needs an elliptic-curve key on P-256"),
            (&[(KEY_FILE, RSA), (ALGORITHM, "HS256")], "expected RS256 or ES256"),
            (&[(KEY_FILE, RSA), (EXPIRY, "0")], "expected a number of seconds from 1 on"),
            (&[(KEY_FILE, RSA), (WITH_ID, "yes")], "expected false or true"),
            (&[(KEY_FILE, RSA), (TEMPLATE, RSA)], r#"with the objects "header" and "payload""#),
            (
                &[(FILE, "/run/assertion"), (KEY_FILE, RSA)],
                "remove it: sasl.oauthbearer.assertion.file names",
            ),
        ];
        for (pairs, words) in table {
            let errors = read(pairs).expect_err(words);
            assert!(errors.contains(words), "{words}: {errors}");
            assert!(!errors.contains("hush") && !errors.contains("BEGIN"), "{errors}");
        }
    }
}
