//! A security context of GSS-API with one broker, by the library of MIT Kerberos.

use std::{
    ffi::{c_char, c_int, c_void},
    ptr, slice,
};

use super::krb5::CACHE;
use crate::text::plain;

/// The object identifiers of RFC 4121 and RFC 2744 in their encoding.
const KERBEROS: Oid = Oid::new(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02]);
const HOST_BASED_SERVICE: Oid = Oid::new(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x01, 0x04]);

const INITIATE: c_int = 1;
const INDEFINITE: u32 = u32::MAX;
/// The broker proves itself too, and messages carry a checksum.
const FLAGS: u32 = MUTUAL | INTEGRITY;
const MUTUAL: u32 = 2;
const INTEGRITY: u32 = 32;
/// The bits of a status that are errors (RFC 2744, section 3.9.1), and the status of a context that needs more messages.
const ERRORS: u32 = 0xffff_0000;
const CONTINUE: u32 = 1;
/// The two kinds of a status code that the library can word.
const BY_GSS: c_int = 1;
const BY_MECHANISM: c_int = 2;

/// `gss_OID_desc`: an object identifier.
#[repr(C)]
struct Oid {
    length: u32,
    elements: *const u8,
}

impl Oid {
    const fn new(bytes: &'static [u8]) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "an object identifier has ten bytes")]
        Self { length: bytes.len() as u32, elements: bytes.as_ptr() }
    }
}

/// `gss_buffer_desc`: bytes of the caller or of the library.
#[repr(C)]
struct Buffer {
    length: usize,
    value: *mut c_void,
}

/// `gss_key_value_element_desc` and `gss_key_value_set_desc`: where credentials are.
#[repr(C)]
struct KeyValue {
    key: *const c_char,
    value: *const c_char,
}

#[repr(C)]
struct KeyValues {
    count: u32,
    elements: *const KeyValue,
}

#[expect(unsafe_code, reason = "GSS-API has an interface for C alone")]
#[link(name = "gssapi_krb5")]
unsafe extern "C" {
    fn gss_import_name(minor: *mut u32, text: *const Buffer, kind: *const Oid, name: *mut *mut c_void)
    -> u32;
    fn gss_release_name(minor: *mut u32, name: *mut *mut c_void) -> u32;
    fn gss_acquire_cred_from(
        minor: *mut u32,
        name: *mut c_void,
        time: u32,
        mechanisms: *const c_void,
        usage: c_int,
        store: *const KeyValues,
        credentials: *mut *mut c_void,
        actual: *mut c_void,
        lifetime: *mut u32,
    ) -> u32;
    fn gss_release_cred(minor: *mut u32, credentials: *mut *mut c_void) -> u32;
    fn gss_init_sec_context(
        minor: *mut u32,
        credentials: *mut c_void,
        context: *mut *mut c_void,
        target: *mut c_void,
        mechanism: *const Oid,
        flags: u32,
        time: u32,
        bindings: *const c_void,
        input: *const Buffer,
        actual: *mut c_void,
        output: *mut Buffer,
        granted: *mut u32,
        lifetime: *mut u32,
    ) -> u32;
    fn gss_delete_sec_context(minor: *mut u32, context: *mut *mut c_void, token: *mut Buffer) -> u32;
    fn gss_wrap(
        minor: *mut u32,
        context: *mut c_void,
        confidential: c_int,
        quality: u32,
        input: *const Buffer,
        state: *mut c_int,
        output: *mut Buffer,
    ) -> u32;
    fn gss_unwrap(
        minor: *mut u32,
        context: *mut c_void,
        input: *const Buffer,
        output: *mut Buffer,
        state: *mut c_int,
        quality: *mut u32,
    ) -> u32;
    fn gss_release_buffer(minor: *mut u32, buffer: *mut Buffer) -> u32;
    fn gss_display_status(
        minor: *mut u32,
        status: u32,
        kind: c_int,
        mechanism: *const Oid,
        more: *mut u32,
        text: *mut Buffer,
    ) -> u32;
}

/// Why the library refused a call.
#[derive(Debug)]
pub(super) struct Failure {
    /// The code of Kerberos. 0 if only GSS-API knows a reason.
    pub(super) code: i32,
    pub(super) words: String,
}

/// The client's side of a security context with one broker.
pub(super) struct SecurityContext {
    context: *mut c_void,
    target: *mut c_void,
    credentials: *mut c_void,
}

#[expect(unsafe_code, reason = "GSS-API has an interface for C alone")]
// SAFETY: the library lets any thread use its objects, one thread at a time, and a mutable reference is needed for that.
unsafe impl Send for SecurityContext {}

/// A message for the broker, and whether the client's side of the context is complete.
pub(super) struct Progress {
    pub(super) message: Vec<u8>,
    pub(super) is_complete: bool,
}

#[expect(unsafe_code, reason = "GSS-API has an interface for C alone")]
impl SecurityContext {
    /// Prepares a context with `SERVICE@HOST`, by the tickets in the cache of this process. Requests nothing.
    pub(super) fn new(service: &str) -> Result<Self, Failure> {
        let mut new =
            Self { context: ptr::null_mut(), target: ptr::null_mut(), credentials: ptr::null_mut() };
        let (mut minor, mut lifetime) = (0, 0);
        // SAFETY: all pointers are to values that outlive the calls. `drop` releases what the library has made.
        let major = unsafe {
            gss_import_name(&mut minor, &input(service.as_bytes()), &HOST_BASED_SERVICE, &mut new.target)
        };
        check(major, minor)?;
        let cache = KeyValue { key: c"ccache".as_ptr(), value: CACHE.as_ptr() };
        let store = KeyValues { count: 1, elements: &cache };
        // SAFETY: as above.
        let major = unsafe {
            gss_acquire_cred_from(
                &mut minor,
                ptr::null_mut(),
                INDEFINITE,
                ptr::null(),
                INITIATE,
                &store,
                &mut new.credentials,
                ptr::null_mut(),
                &mut lifetime,
            )
        };
        check(major, minor)?;
        Ok(new)
    }

    /// Takes a message of the broker, or none in the first step. The first step requests a ticket for the broker from the
    /// KDC, if the cache has none, and blocks until then.
    pub(super) fn step(&mut self, message: &[u8]) -> Result<Progress, Failure> {
        let (mut minor, mut granted, mut lifetime) = (0, 0, 0);
        let mut output = Output::empty();
        // SAFETY: all pointers are to values that outlive the call, and the library replaces the context.
        let major = unsafe {
            gss_init_sec_context(
                &mut minor,
                self.credentials,
                &mut self.context,
                self.target,
                &KERBEROS,
                FLAGS,
                INDEFINITE,
                ptr::null(),
                &input(message),
                ptr::null_mut(),
                &mut output.0,
                &mut granted,
                &mut lifetime,
            )
        };
        check(major, minor)?;
        let is_complete = major & CONTINUE == 0;
        if is_complete && granted & FLAGS != FLAGS {
            return Err(Failure { code: 0, words: "the broker has not proved itself".to_owned() });
        }
        Ok(Progress { message: output.bytes().to_vec(), is_complete })
    }

    /// Protects a message of a complete context against changes.
    pub(super) fn wrap(&mut self, message: &[u8]) -> Result<Vec<u8>, Failure> {
        let mut minor = 0;
        let mut output = Output::empty();
        // SAFETY: all pointers are to values that outlive the call.
        let major = unsafe {
            let state = ptr::null_mut();
            gss_wrap(&mut minor, self.context, 0, 0, &input(message), state, &mut output.0)
        };
        check(major, minor).map(|()| output.bytes().to_vec())
    }

    /// Takes a message that the broker has protected.
    pub(super) fn unwrap(&mut self, message: &[u8]) -> Result<Vec<u8>, Failure> {
        let mut minor = 0;
        let mut output = Output::empty();
        // SAFETY: all pointers are to values that outlive the call.
        let major = unsafe {
            let (state, quality) = (ptr::null_mut(), ptr::null_mut());
            gss_unwrap(&mut minor, self.context, &input(message), &mut output.0, state, quality)
        };
        check(major, minor).map(|()| output.bytes().to_vec())
    }
}

#[expect(unsafe_code, reason = "GSS-API has an interface for C alone")]
impl Drop for SecurityContext {
    fn drop(&mut self) {
        let mut minor = 0;
        // SAFETY: each object is released once. The library ignores objects that are null.
        unsafe {
            gss_delete_sec_context(&mut minor, &mut self.context, ptr::null_mut());
            gss_release_name(&mut minor, &mut self.target);
            gss_release_cred(&mut minor, &mut self.credentials);
        }
    }
}

/// Bytes that the library reads.
fn input(bytes: &[u8]) -> Buffer {
    Buffer { length: bytes.len(), value: bytes.as_ptr().cast_mut().cast() }
}

/// Bytes that the library has made.
struct Output(Buffer);

#[expect(unsafe_code, reason = "GSS-API has an interface for C alone")]
impl Output {
    fn empty() -> Self {
        Self(Buffer { length: 0, value: ptr::null_mut() })
    }

    fn bytes(&self) -> &[u8] {
        if self.0.value.is_null() {
            return &[];
        }
        // SAFETY: the library has made a buffer of this length, which lives until it is released.
        unsafe { slice::from_raw_parts(self.0.value.cast(), self.0.length) }
    }
}

#[expect(unsafe_code, reason = "GSS-API has an interface for C alone")]
impl Drop for Output {
    fn drop(&mut self) {
        // SAFETY: the buffer is empty, or one of the library.
        unsafe { gss_release_buffer(&mut 0, &mut self.0) };
    }
}

fn check(major: u32, minor: u32) -> Result<(), Failure> {
    if major & ERRORS == 0 {
        return Ok(());
    }
    let words = if minor == 0 { text(major, BY_GSS) } else { text(minor, BY_MECHANISM) };
    Err(Failure { code: minor.cast_signed(), words })
}

/// The library's words for a status of the last call of this thread.
#[expect(unsafe_code, reason = "GSS-API has an interface for C alone")]
fn text(status: u32, kind: c_int) -> String {
    let (mut minor, mut more) = (0, 0);
    let mut output = Output::empty();
    // SAFETY: all pointers are to values that outlive the call.
    unsafe { gss_display_status(&mut minor, status, kind, &KERBEROS, &mut more, &mut output.0) };
    plain(&String::from_utf8_lossy(output.bytes()))
}
