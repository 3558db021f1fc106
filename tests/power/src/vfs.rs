//! The disk as SQLite sees it: a VFS named `power` without shared memory, so the log is used under an exclusive lock.

#![allow(unsafe_code, reason = "SQLite's VFS is an interface of C")]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::OnceLock;

use rusqlite::ffi;

use crate::disk::{PowerIsOff, with};

/// Longest path.
const PATH: c_int = 256;

#[repr(C)]
struct OpenFile {
    base: ffi::sqlite3_file,
    /// Owned; freed by `close`.
    name: *mut String,
}

/// Registers the VFS, once.
///
/// # Errors
/// SQLite's code.
pub fn register() -> Result<(), c_int> {
    static DONE: OnceLock<c_int> = OnceLock::new();
    let code = *DONE.get_or_init(|| {
        let vfs = Box::new(ffi::sqlite3_vfs {
            iVersion: 1,
            szOsFile: c_int::try_from(size_of::<OpenFile>()).unwrap_or(c_int::MAX),
            mxPathname: PATH,
            pNext: std::ptr::null_mut(),
            zName: c"power".as_ptr(),
            pAppData: std::ptr::null_mut(),
            xOpen: Some(open),
            xDelete: Some(delete),
            xAccess: Some(access),
            xFullPathname: Some(full_path),
            xDlOpen: None,
            xDlError: None,
            xDlSym: None,
            xDlClose: None,
            xRandomness: Some(randomness),
            xSleep: Some(wait),
            xCurrentTime: Some(time),
            xGetLastError: Some(last_error),
            xCurrentTimeInt64: None,
            xSetSystemCall: None,
            xGetSystemCall: None,
            xNextSystemCall: None,
        });
        // SAFETY: the structure lives for ever, and every pointer in it is a function or a static text.
        unsafe { ffi::sqlite3_vfs_register(Box::into_raw(vfs), 0) }
    });
    if code == ffi::SQLITE_OK { Ok(()) } else { Err(code) }
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 1,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(lock),
    xCheckReservedLock: Some(reserved),
    xFileControl: Some(control),
    xSectorSize: Some(sector),
    xDeviceCharacteristics: Some(characteristics),
    xShmMap: None,
    xShmLock: None,
    xShmBarrier: None,
    xShmUnmap: None,
    xFetch: None,
    xUnfetch: None,
};

fn code(outcome: Result<(), PowerIsOff>, failure: c_int) -> c_int {
    match outcome {
        Ok(()) => ffi::SQLITE_OK,
        Err(PowerIsOff) => failure,
    }
}

/// # Safety
/// `text` is null or a text of C.
unsafe fn name(text: *const c_char) -> String {
    if text.is_null() {
        return "(temporary)".into();
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// # Safety
/// `file` was opened by `open` and not closed yet.
unsafe fn opened<'a>(file: *mut ffi::sqlite3_file) -> &'a str {
    // SAFETY: the caller's promise: the name was boxed by `open` and is freed by `close` alone.
    unsafe { &*(*file.cast::<OpenFile>()).name }
}

unsafe extern "C" fn open(
    _: *mut ffi::sqlite3_vfs,
    path: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives room for an `OpenFile`, and texts of C.
    unsafe {
        (*file).pMethods = std::ptr::null();
        let name = name(path);
        let create = flags & ffi::SQLITE_OPEN_CREATE != 0;
        if with(|disk| disk.open(&name, create)) != Ok(true) {
            return ffi::SQLITE_CANTOPEN;
        }
        (*file.cast::<OpenFile>()).name = Box::into_raw(Box::new(name));
        (*file).pMethods = &raw const METHODS;
        if !out.is_null() {
            *out = flags;
        }
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite closes what was opened, once.
    unsafe { drop(Box::from_raw((*file.cast::<OpenFile>()).name)) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, to: *mut c_void, length: c_int, at: i64) -> c_int {
    let (Ok(length), Ok(at)) = (usize::try_from(length), usize::try_from(at)) else { return ffi::SQLITE_IOERR_READ };
    // SAFETY: SQLite gives room for `length` bytes, and an open file.
    let (buffer, name) = unsafe { (std::slice::from_raw_parts_mut(to.cast::<u8>(), length), opened(file)) };
    match with(|disk| disk.read(name, at, buffer)) {
        Ok(true) => ffi::SQLITE_OK,
        Ok(false) => ffi::SQLITE_IOERR_SHORT_READ,
        Err(PowerIsOff) => ffi::SQLITE_IOERR_READ,
    }
}

unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, from: *const c_void, length: c_int, at: i64) -> c_int {
    let (Ok(length), Ok(at)) = (usize::try_from(length), usize::try_from(at)) else { return ffi::SQLITE_IOERR_WRITE };
    // SAFETY: SQLite gives `length` bytes, and an open file.
    let (bytes, name) = unsafe { (std::slice::from_raw_parts(from.cast::<u8>(), length), opened(file)) };
    code(with(|disk| disk.write(name, at, bytes)), ffi::SQLITE_IOERR_WRITE)
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, length: i64) -> c_int {
    let Ok(length) = usize::try_from(length) else { return ffi::SQLITE_IOERR_TRUNCATE };
    // SAFETY: SQLite gives an open file.
    let name = unsafe { opened(file) };
    code(with(|disk| disk.truncate(name, length)), ffi::SQLITE_IOERR_TRUNCATE)
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    // SAFETY: SQLite gives an open file.
    let name = unsafe { opened(file) };
    code(with(|disk| disk.sync(name)), ffi::SQLITE_IOERR_FSYNC)
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, out: *mut i64) -> c_int {
    // SAFETY: SQLite gives an open file, and room for the answer.
    unsafe {
        match with(|disk| disk.length(opened(file))) {
            Ok(length) => {
                *out = i64::try_from(length).unwrap_or(i64::MAX);
                ffi::SQLITE_OK
            }
            Err(PowerIsOff) => ffi::SQLITE_IOERR_FSTAT,
        }
    }
}

/// One connection has the disk to itself.
unsafe extern "C" fn lock(_: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    ffi::SQLITE_OK
}

unsafe extern "C" fn reserved(_: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    // SAFETY: SQLite gives room for the answer.
    unsafe { *out = 0 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn control(_: *mut ffi::sqlite3_file, _: c_int, _: *mut c_void) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn sector(_: *mut ffi::sqlite3_file) -> c_int {
    512
}

/// Nothing is promised: neither atomic writes nor their order.
unsafe extern "C" fn characteristics(_: *mut ffi::sqlite3_file) -> c_int {
    0
}

unsafe extern "C" fn delete(_: *mut ffi::sqlite3_vfs, path: *const c_char, _: c_int) -> c_int {
    // SAFETY: SQLite gives a text of C.
    let name = unsafe { name(path) };
    code(with(|disk| disk.delete(&name)), ffi::SQLITE_IOERR_DELETE)
}

unsafe extern "C" fn access(_: *mut ffi::sqlite3_vfs, path: *const c_char, _: c_int, out: *mut c_int) -> c_int {
    // SAFETY: SQLite gives a text of C, and room for the answer.
    unsafe {
        match with(|disk| disk.exists(&name(path))) {
            Ok(exists) => {
                *out = c_int::from(exists);
                ffi::SQLITE_OK
            }
            Err(PowerIsOff) => ffi::SQLITE_IOERR_ACCESS,
        }
    }
}

unsafe extern "C" fn full_path(
    _: *mut ffi::sqlite3_vfs,
    path: *const c_char,
    length: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: SQLite gives a text of C, and room for `length` bytes.
    unsafe {
        let bytes = CStr::from_ptr(path).to_bytes_with_nul();
        if c_int::try_from(bytes.len()).is_ok_and(|needed| needed <= length) {
            std::ptr::copy_nonoverlapping(bytes.as_ptr().cast(), out, bytes.len());
            ffi::SQLITE_OK
        } else {
            ffi::SQLITE_CANTOPEN
        }
    }
}

unsafe extern "C" fn randomness(_: *mut ffi::sqlite3_vfs, length: c_int, out: *mut c_char) -> c_int {
    let Ok(count) = usize::try_from(length) else { return 0 };
    // SAFETY: SQLite gives room for `length` bytes.
    let bytes = unsafe { std::slice::from_raw_parts_mut(out.cast::<u8>(), count) };
    with(|disk| disk.noise(bytes));
    length
}

unsafe extern "C" fn wait(_: *mut ffi::sqlite3_vfs, microseconds: c_int) -> c_int {
    microseconds
}

unsafe extern "C" fn time(_: *mut ffi::sqlite3_vfs, out: *mut f64) -> c_int {
    // SAFETY: SQLite gives room for the answer.
    unsafe { *out = 2_461_000.5 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn last_error(_: *mut ffi::sqlite3_vfs, _: c_int, _: *mut c_char) -> c_int {
    ffi::SQLITE_OK
}
