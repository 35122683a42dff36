//! Requests the first ticket of a principal with the key of a keytab, as `kinit -k` does, by the library of MIT Kerberos.

use std::{
    ffi::{CStr, CString, c_char, c_int, c_void},
    fmt::Display,
    fs::File,
    mem::MaybeUninit,
    path::Path,
    ptr,
    time::Duration,
};

use super::faults::fault;
use crate::{kafka::Fault, text::plain};

/// The name of the cache of tickets of this process. It is in memory, and no other process sees it.
pub const CACHE: &CStr = c"MEMORY:kafka-heartbeat";

/// The name of the cache that a new ticket is stored in before it replaces the content of [`CACHE`].
const NEXT: &CStr = c"MEMORY:kafka-heartbeat-next";

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
    fn krb5_cc_move(context: *mut c_void, from: *mut c_void, to: *mut c_void) -> i32;
    fn krb5_cc_close(context: *mut c_void, cache: *mut c_void) -> c_int;
}

/// Requests a ticket, and puts it into the cache of this process in place of all others. Returns the lifetime of the ticket,
/// which needs no clock of this machine. Blocks while the KDC does not answer, for up to a minute.
///
/// # Errors
/// [`Fault::Keytab`], [`Fault::Principal`], [`Fault::Clock`], [`Fault::Descriptors`] or [`Fault::Kdc`], with the words of
/// the library.
pub(super) fn obtain(principal: &str, keytab: &Path) -> Result<Duration, (Fault, String)> {
    let failed = |fault, words: &dyn Display| {
        let (principal, keytab) = (plain(principal), keytab.display());
        (fault, format!("no ticket for {principal} with the keytab {keytab}: {words}"))
    };
    // The library does not say whether a file is missing or may not be read.
    File::open(keytab).map_err(|error| failed(Fault::Keytab.or_descriptors(&error), &error))?;
    let text = |text: String| CString::new(text).map_err(|error| failed(Fault::Keytab, &error));
    let name = text(principal.to_owned())?;
    let file = text(format!("FILE:{}", keytab.display()))?;
    let lifetime = request(&name, &file).map_err(|(code, words)| failed(fault(code), &words))?;
    if lifetime.is_zero() {
        return Err(failed(Fault::Kdc, &"the ticket ends when it begins"));
    }
    Ok(lifetime)
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
    let lifetime = unsafe { creds.assume_init_ref() }.lifetime();
    unsafe { krb5_free_cred_contents(context.0, creds.as_mut_ptr()) };
    stored.map(|()| lifetime)
}

impl Creds {
    /// The time from the begin of the ticket to its end, both by the clock of the KDC. Zero for a ticket that ends before it
    /// begins.
    fn lifetime(&self) -> Duration {
        // A ticket that begins when it is issued may have no other begin (RFC 4120, section 5.3).
        let begin = if self.starttime == 0 { self.authtime } else { self.starttime };
        // Seconds since 1970 as an unsigned number of 32 bits.
        let seconds = self.endtime.cast_unsigned().saturating_sub(begin.cast_unsigned());
        Duration::from_secs(u64::from(seconds))
    }
}

/// Replaces the content of the cache of this process by one ticket. The library does that in one step, so that a login at the
/// same moment finds a ticket.
#[expect(unsafe_code, reason = "the library of MIT Kerberos has an interface for C alone")]
fn store(context: &Context, principal: &Handle<'_>, creds: *mut Creds) -> Result<(), Failure> {
    let [mut cache, mut next] =
        [(); 2].map(|()| Handle { context, pointer: ptr::null_mut(), free: close_cache });
    // SAFETY: as in `request`. A cache in memory outlives its handle.
    context.check(unsafe { krb5_cc_resolve(context.0, CACHE.as_ptr(), &mut cache.pointer) })?;
    context.check(unsafe { krb5_cc_resolve(context.0, NEXT.as_ptr(), &mut next.pointer) })?;
    context.check(unsafe { krb5_cc_initialize(context.0, next.pointer, principal.pointer) })?;
    context.check(unsafe { krb5_cc_store_cred(context.0, next.pointer, creds) })?;
    // SAFETY: the library frees the cache that is moved if it succeeds, and only then.
    let code = unsafe { krb5_cc_move(context.0, next.pointer, cache.pointer) };
    if code == 0 {
        next.pointer = ptr::null_mut();
    }
    context.check(code)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetime_of_a_ticket_is_that_of_the_kdc_whatever_the_clock_of_this_machine_says() {
        let lifetime = |authtime, starttime, endtime| {
            // SAFETY: a structure of numbers and pointers, for which zero is a value.
            #[expect(unsafe_code, reason = "the structure is one of C")]
            let creds = unsafe { MaybeUninit::<Creds>::zeroed().assume_init() };
            Creds { authtime, starttime, endtime, ..creds }.lifetime()
        };
        assert_eq!(lifetime(1000, 0, 4600), Duration::from_secs(3600));
        assert_eq!(lifetime(1000, 1600, 4600), Duration::from_secs(3000));
        assert_eq!(lifetime(1000, 0, 1000), Duration::ZERO);
        assert_eq!(lifetime(i32::MAX, 0, i32::MIN), Duration::from_secs(1), "2038 is no end");
    }
}
