//! The CUDA driver, by the eight functions that it takes to have memory.
#![allow(unsafe_code, reason = "the driver is a library of C functions")]

use std::ffi::{c_int, c_uint, c_void};
use std::fmt;
use std::path::Path;
use std::ptr::null_mut;
use std::sync::Arc;

use libloading::Library;

/// What the driver says when there is no memory left.
pub const OUT_OF_MEMORY: u32 = 2;

/// What the system calls the library.
const SYSTEMS_OWN: &str = "libcuda.so.1";

/// The first card that this process may see, with a context on it.
pub struct Cuda {
    calls: Calls,
    context: Context,
}

/// Memory of the card, until it is dropped.
#[derive(Debug)]
pub struct Block {
    cuda: Arc<Cuda>,
    address: u64,
    bytes: usize,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CudaError {
    /// There is no such library, or it lacks a function.
    NoLibrary(String),
    /// A function answered with this number.
    Refused(&'static str, u32),
}

struct Calls {
    set_current: unsafe extern "C" fn(*mut c_void) -> c_uint,
    allocate: unsafe extern "C" fn(*mut u64, usize) -> c_uint,
    free: unsafe extern "C" fn(u64) -> c_uint,
    information: unsafe extern "C" fn(*mut usize, *mut usize) -> c_uint,
    fill: unsafe extern "C" fn(u64, u8, usize) -> c_uint,
    /// Keeps the functions where they are.
    _library: Library,
}

struct Context(*mut c_void);

// SAFETY: a context may be made current on any thread; that is what
// `cuCtxSetCurrent` is for.
unsafe impl Send for Context {}
// SAFETY: as above, also on several threads at once.
unsafe impl Sync for Context {}

impl Cuda {
    /// Loads the library, and takes a context on the first card.
    ///
    /// # Errors
    ///
    /// [`CudaError`].
    pub fn open(library: Option<&Path>) -> Result<Self, CudaError> {
        let path = library.unwrap_or(Path::new(SYSTEMS_OWN));
        let absent = |error: libloading::Error| CudaError::NoLibrary(error.to_string());
        // SAFETY: a driver's library does nothing to this program by being
        // loaded.
        let library = unsafe { Library::new(path) }.map_err(absent)?;
        // SAFETY: each type is that of the function in cuda.h.
        let (begin, device_of, retain, calls) = unsafe {
            let begin: unsafe extern "C" fn(c_uint) -> c_uint =
                *library.get(b"cuInit\0").map_err(absent)?;
            let device_of: unsafe extern "C" fn(*mut c_int, c_int) -> c_uint =
                *library.get(b"cuDeviceGet\0").map_err(absent)?;
            let retain: unsafe extern "C" fn(*mut *mut c_void, c_int) -> c_uint =
                *library.get(b"cuDevicePrimaryCtxRetain\0").map_err(absent)?;
            let calls = Calls {
                set_current: *library.get(b"cuCtxSetCurrent\0").map_err(absent)?,
                allocate: *library.get(b"cuMemAlloc_v2\0").map_err(absent)?,
                free: *library.get(b"cuMemFree_v2\0").map_err(absent)?,
                information: *library.get(b"cuMemGetInfo_v2\0").map_err(absent)?,
                fill: *library.get(b"cuMemsetD8_v2\0").map_err(absent)?,
                _library: library,
            };
            (begin, device_of, retain, calls)
        };
        let (mut device, mut context) = (0, null_mut());
        // SAFETY: the pointers are to the variables above.
        unsafe {
            told("cuInit", begin(0))?;
            told("cuDeviceGet", device_of(&mut device, 0))?;
            told("cuDevicePrimaryCtxRetain", retain(&mut context, device))?;
        }
        Ok(Self { calls, context: Context(context) })
    }

    /// Takes memory, and touches all of it.
    ///
    /// # Errors
    ///
    /// [`CudaError::Refused`], with [`OUT_OF_MEMORY`] where there is none left.
    pub fn take(self: &Arc<Self>, bytes: u64) -> Result<Block, CudaError> {
        self.enter()?;
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        let mut address = 0;
        // SAFETY: the pointer is to the variable above.
        told("cuMemAlloc_v2", unsafe { (self.calls.allocate)(&mut address, bytes) })?;
        let block = Block { cuda: Arc::clone(self), address, bytes };
        block.touch()?;
        Ok(block)
    }

    /// How much the card has free, and in all, as this driver sees it.
    ///
    /// # Errors
    ///
    /// [`CudaError::Refused`].
    pub fn memory(&self) -> Result<(u64, u64), CudaError> {
        self.enter()?;
        let (mut free, mut total) = (0, 0);
        // SAFETY: the pointers are to the variables above.
        told("cuMemGetInfo_v2", unsafe { (self.calls.information)(&mut free, &mut total) })?;
        Ok((free as u64, total as u64))
    }

    /// The context is one of a thread, and a runtime has many.
    fn enter(&self) -> Result<(), CudaError> {
        // SAFETY: the context is retained for as long as this process lives.
        told("cuCtxSetCurrent", unsafe { (self.calls.set_current)(self.context.0) })
    }
}

impl Block {
    /// Writes all of it.
    ///
    /// # Errors
    ///
    /// [`CudaError::Refused`].
    pub fn touch(&self) -> Result<(), CudaError> {
        self.cuda.enter()?;
        // SAFETY: the block is of this size, and not freed yet.
        told("cuMemsetD8_v2", unsafe { (self.cuda.calls.fill)(self.address, 0xA5, self.bytes) })
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if self.cuda.enter().is_ok() {
            // SAFETY: it was allocated in this context, and nobody has it any
            // more. A driver that refuses is gone, and the memory with it.
            unsafe { (self.cuda.calls.free)(self.address) };
        }
    }
}

impl CudaError {
    /// Whether the card has no memory left.
    #[must_use]
    pub fn is_out_of_memory(&self) -> bool {
        matches!(self, Self::Refused(_, OUT_OF_MEMORY))
    }
}

impl fmt::Display for CudaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLibrary(reason) => write!(f, "no CUDA driver: {reason}"),
            Self::Refused(call, code) => write!(f, "{call} says {code}"),
        }
    }
}

impl std::error::Error for CudaError {}

impl fmt::Debug for Cuda {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cuda").finish_non_exhaustive()
    }
}

fn told(call: &'static str, code: c_uint) -> Result<(), CudaError> {
    if code == 0 { Ok(()) } else { Err(CudaError::Refused(call, code)) }
}
