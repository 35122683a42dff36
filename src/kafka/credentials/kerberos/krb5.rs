//! Requests the first ticket of a principal with the key of a keytab, as `kinit -k` does, by the library of MIT Kerberos.

use std::{
    ffi::{CStr, CString, c_char, c_int, c_void},
    fmt::Display,
    fs::File,
    mem::MaybeUninit,
    path::Path,
    ptr,
    time::{Duration, SystemTime},
};

use super::faults::fault;
use crate::{kafka::Fault, text::plain};

/// The name of the cache of tickets of this process. It is in memory, and no other process sees it.
pub const CACHE: &CStr = c"MEMORY:kafka-heartbeat";

/// `krb5_creds` of `krb5.h`: a ticket with its times and keys.
#[repr(C)]
struct Creds {
    magic: i32,
    client: *mut c_void,
    server: *mut c_void,
    keyblock_magic: i32,
    keyblock_enctype: i32,
    keyblock_length: u32,
    keyblock_contents: *mut u8,
    authtime: i32,
    starttime: i32,
    endtime: i32,
    renew_till: i32,
    is_skey: u32,
    ticket_flags: i32,
    addresses: *mut c_void,
    ticket: Data,
    second_ticket: Data,
    authdata: *mut c_void,
}

/// `krb5_data` of `krb5.h`.
#[repr(C)]
struct Data {
    magic: i32,
    length: u32,
    data: *mut c_char,
}

#[expect(unsafe_code, reason = "the library of MIT Kerberos has an interface for C alone")]
#[link(name = "krb5")]
unsafe extern "C" {
    fn krb5_init_context(context: *mut *mut c_void) -> i32;
    fn krb5_free_context(context: *mut c_void);
    fn krb5_get_error_message(context: *mut c_void, code: i32) -> *const c_char;
    fn krb5_free_error_message(context: *mut c_void, message: *const c_char);
    fn krb5_parse_name(context: *mut c_void, name: *const c_char, principal: *mut *mut c_void) -> i32;
    fn krb5_free_principal(context: *mut c_void, principal: *mut c_void);
    fn krb5_kt_resolve(context: *mut c_void, name: *const c_char, keytab: *mut *mut c_void) -> i32;
    fn krb5_kt_close(context: *mut c_void, keytab: *mut c_void) -> i32;
    fn krb5_get_init_creds_keytab(
        context: *mut c_void,
        creds: *mut Creds,
        client: *mut c_void,
        keytab: *mut c_void,
        start_time: i32,
        service: *const c_char,
        options: *mut c_void,
    ) -> i32;
    fn krb5_free_cred_contents(context: *mut c_void, creds: *mut Creds);
    fn krb5_cc_resolve(context: *mut c_void, name: *const c_char, cache: *mut *mut c_void) -> i32;
    fn krb5_cc_initialize(context: *mut c_void, cache: *mut c_void, principal: *mut c_void) -> i32;
    fn krb5_cc_store_cred(context: *mut c_void, cache: *mut c_void, creds: *mut Creds) -> i32;
    fn krb5_cc_close(context: *mut c_void, cache: *mut c_void) -> c_int;
}

/// Requests a ticket, and puts it into the cache of this process in place of all others. Returns the time for which the
/// ticket can be used. Blocks while the KDC does not answer, for up to a minute.
///
/// # Errors
/// [`Fault::Keytab`], [`Fault::Principal`], [`Fault::Clock`] or [`Fault::Kdc`], with the words of the library.
pub(super) fn obtain(principal: &str, keytab: &Path) -> Result<Duration, (Fault, String)> {
    let failed = |fault, words: &dyn Display| {
        let (principal, keytab) = (plain(principal), keytab.display());
        (fault, format!("no ticket for {principal} with the keytab {keytab}: {words}"))
    };
    // The library does not say whether a file is missing or may not be read.
    File::open(keytab).map_err(|error| failed(Fault::Keytab, &error))?;
    let text = |text: String| CString::new(text).map_err(|error| failed(Fault::Keytab, &error));
    let name = text(principal.to_owned())?;
    let file = text(format!("FILE:{}", keytab.display()))?;
    request(&name, &file).map_err(|(code, words)| failed(fault(code), &words))
}

/// The code of the library's error, and its words.
type Failure = (i32, String);

#[expect(unsafe_code, reason = "the library of MIT Kerberos has an interface for C alone")]
fn request(name: &CStr, keytab: &CStr) -> Result<Duration, Failure> {
    let context = Context::new()?;
    let mut principal = Handle { context: &context, pointer: ptr::null_mut(), free: krb5_free_principal };
    // SAFETY: the context lives, the text ends with a zero, and the result is freed by its handle. So below.
    context.check(unsafe { krb5_parse_name(context.0, name.as_ptr(), &mut principal.pointer) })?;
    let mut keys = Handle { context: &context, pointer: ptr::null_mut(), free: close_keytab };
    context.check(unsafe { krb5_kt_resolve(context.0, keytab.as_ptr(), &mut keys.pointer) })?;
    let mut creds = MaybeUninit::<Creds>::zeroed();
    let code = unsafe {
        krb5_get_init_creds_keytab(
            context.0,
            creds.as_mut_ptr(),
            principal.pointer,
            keys.pointer,
            0,
            ptr::null(),
            ptr::null_mut(),
        )
    };
    context.check(code)?;
    let stored = store(&context, &principal, creds.as_mut_ptr());
    // SAFETY: the library has filled the structure.
    let end = unsafe { creds.assume_init_ref() }.endtime;
    unsafe { krb5_free_cred_contents(context.0, creds.as_mut_ptr()) };
    stored?;
    // Seconds since 1970 as an unsigned number of 32 bits.
    let end = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(end.cast_unsigned()));
    Ok(end.duration_since(SystemTime::now()).unwrap_or_default())
}

/// Replaces the content of the cache of this process by one ticket.
#[expect(unsafe_code, reason = "the library of MIT Kerberos has an interface for C alone")]
fn store(context: &Context, principal: &Handle<'_>, creds: *mut Creds) -> Result<(), Failure> {
    let mut cache = Handle { context, pointer: ptr::null_mut(), free: close_cache };
    // SAFETY: as in `request`. A cache in memory outlives its handle.
    context.check(unsafe { krb5_cc_resolve(context.0, CACHE.as_ptr(), &mut cache.pointer) })?;
    context.check(unsafe { krb5_cc_initialize(context.0, cache.pointer, principal.pointer) })?;
    context.check(unsafe { krb5_cc_store_cred(context.0, cache.pointer, creds) })
}

/// A context of the library, for one thread.
struct Context(*mut c_void);

#[expect(unsafe_code, reason = "the library of MIT Kerberos has an interface for C alone")]
impl Context {
    /// Reads `krb5.conf`.
    fn new() -> Result<Self, Failure> {
        let mut context = ptr::null_mut();
        // SAFETY: the context is freed once, when it is dropped.
        let code = unsafe { krb5_init_context(&mut context) };
        let context = Self(context);
        context.check(code).map(|()| context)
    }

    /// The words of the library for a code that is not 0.
    fn check(&self, code: i32) -> Result<(), Failure> {
        if code == 0 {
            return Ok(());
        }
        // SAFETY: the context lives or is null, which the library allows here. The text is copied before it is freed.
        let words = unsafe {
            let message = krb5_get_error_message(self.0, code);
            let words = plain(&CStr::from_ptr(message).to_string_lossy());
            krb5_free_error_message(self.0, message);
            words
        };
        Err((code, words))
    }
}

#[expect(unsafe_code, reason = "the library of MIT Kerberos has an interface for C alone")]
impl Drop for Context {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: nothing uses the context any more.
            unsafe { krb5_free_context(self.0) };
        }
    }
}

/// An object of the library, and how it is freed.
struct Handle<'a> {
    context: &'a Context,
    pointer: *mut c_void,
    free: unsafe extern "C" fn(*mut c_void, *mut c_void),
}

#[expect(unsafe_code, reason = "the library of MIT Kerberos has an interface for C alone")]
impl Drop for Handle<'_> {
    fn drop(&mut self) {
        if !self.pointer.is_null() {
            // SAFETY: nothing uses the object any more, and the function is the one of its kind.
            unsafe { (self.free)(self.context.0, self.pointer) };
        }
    }
}

#[expect(unsafe_code, reason = "the library of MIT Kerberos has an interface for C alone")]
unsafe extern "C" fn close_keytab(context: *mut c_void, keytab: *mut c_void) {
    // SAFETY: the caller's.
    unsafe { krb5_kt_close(context, keytab) };
}

#[expect(unsafe_code, reason = "the library of MIT Kerberos has an interface for C alone")]
unsafe extern "C" fn close_cache(context: *mut c_void, cache: *mut c_void) {
    // SAFETY: the caller's.
    unsafe { krb5_cc_close(context, cache) };
}
