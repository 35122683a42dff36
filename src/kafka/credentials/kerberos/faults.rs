//! The fault of an error code of MIT Kerberos.

use crate::kafka::Fault;

/// Error codes of `krb5.h` and of the operating system, each with its fault.
const FAULTS: [(i32, Fault); 22] = [
    (libc::EMFILE, Fault::Descriptors),
    (libc::ENFILE, Fault::Descriptors),
    (libc::ENOENT, Fault::Keytab),
    (libc::EACCES, Fault::Keytab),
    (-1_765_328_203, Fault::Keytab),           // KRB5_KT_NOTFOUND
    (-1_765_328_154, Fault::Keytab),           // KRB5_KT_KVNONOTFOUND
    (-1_765_328_149, Fault::Keytab),           // KRB5_KT_FORMAT
    (-1_765_328_171, Fault::Keytab),           // KRB5_KEYTAB_BADVNO
    (-1_765_328_383, Fault::Principal),        // KRB5KDC_ERR_NAME_EXP
    (-1_765_328_378, Fault::Principal),        // KRB5KDC_ERR_C_PRINCIPAL_UNKNOWN
    (-1_765_328_366, Fault::Principal),        // KRB5KDC_ERR_CLIENT_REVOKED
    (-1_765_328_361, Fault::Principal),        // KRB5KDC_ERR_KEY_EXP
    (-1_765_328_360, Fault::Principal),        // KRB5KDC_ERR_PREAUTH_FAILED
    (-1_765_328_353, Fault::Principal),        // KRB5KRB_AP_ERR_BAD_INTEGRITY
    (-1_765_328_174, Fault::Principal),        // KRB5_PREAUTH_FAILED
    (-1_765_328_377, Fault::ServicePrincipal), // KRB5KDC_ERR_S_PRINCIPAL_UNKNOWN
    (-1_765_328_382, Fault::ServicePrincipal), // KRB5KDC_ERR_SERVICE_EXP
    (-1_765_328_347, Fault::Clock),            // KRB5KRB_AP_ERR_SKEW
    (-1_765_328_236, Fault::Clock),            // KRB5_KDCREP_SKEW
    (-1_765_328_351, Fault::Clock),            // KRB5KRB_AP_ERR_TKT_NYV
    (-1_765_328_228, Fault::Kdc),              // KRB5_KDC_UNREACH
    (-1_765_328_230, Fault::Kdc),              // KRB5_REALM_UNKNOWN
];

/// The fault of an error of the KDC, or of this client's own part. Every other error is one of the KDC or of `krb5.conf`,
/// because no broker takes part.
pub(super) fn fault(code: i32) -> Fault {
    FAULTS.into_iter().find(|(known, _)| *known == code).map_or(Fault::Kdc, |(_, fault)| fault)
}
