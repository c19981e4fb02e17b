//! The truth: the card's memory as NVML tells it, read past the crate that is
//! looked at.
#![allow(unsafe_code, reason = "the driver is a library of C functions")]

use std::ffi::{CStr, c_char, c_uint, c_void};
use std::fmt;
use std::path::Path;
use std::ptr::null_mut;

use libloading::{Library, Symbol};

/// What the system calls the library.
const SYSTEMS_OWN: &str = "libnvidia-ml.so.1";

/// What the second form of a reading is told by: its size and its number.
const MEMORY_V2: u32 = 40 | 2 << 24;

/// One card.
pub struct Card {
    library: Library,
    handle: Handle,
}

/// A reading, in bytes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// All there is.
    pub total: u64,
    /// What can still be had.
    pub free: u64,
    /// What the driver calls used.
    pub used: u64,
    /// What it keeps for itself; the second form alone tells.
    pub reserved: u64,
}

/// Why there is no card, or no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoAnswer(String);

#[repr(C)]
#[derive(Default)]
struct FirstForm {
    total: u64,
    free: u64,
    used: u64,
}

#[repr(C)]
#[derive(Default)]
struct SecondForm {
    version: c_uint,
    total: u64,
    reserved: u64,
    free: u64,
    used: u64,
}

#[repr(C)]
#[derive(Clone, Default)]
struct Process {
    pid: c_uint,
    used: u64,
    instances: [c_uint; 2],
}

#[derive(Clone, Copy)]
struct Handle(*mut c_void);

// SAFETY: NVML says that all of its functions may be called from any thread.
unsafe impl Send for Handle {}
// SAFETY: as above, also at once.
unsafe impl Sync for Handle {}

impl Card {
    /// Loads the library, begins, and finds the card of this number.
    ///
    /// # Errors
    ///
    /// [`NoAnswer`] where there is no driver, or no such card.
    pub fn open(library: Option<&Path>, index: u32) -> Result<Self, NoAnswer> {
        let path = library.unwrap_or(Path::new(SYSTEMS_OWN));
        // SAFETY: a driver's library does nothing to this program by being
        // loaded.
        let library = unsafe { Library::new(path) }.map_err(|error| NoAnswer(error.to_string()))?;
        let mut card = Self { library, handle: Handle(null_mut()) };
        // SAFETY: each type is that of the function in nvml.h, and the pointer
        // is to a field of this card.
        unsafe {
            let begin: Symbol<'_, unsafe extern "C" fn() -> c_uint> = card.find("nvmlInit_v2")?;
            told("nvmlInit_v2", begin())?;
            let name = "nvmlDeviceGetHandleByIndex_v2";
            let by_index: Symbol<'_, unsafe extern "C" fn(c_uint, *mut *mut c_void) -> c_uint> =
                card.find(name)?;
            let mut handle = null_mut();
            told(name, by_index(index, &mut handle))?;
            card.handle = Handle(handle);
        }
        Ok(card)
    }

    /// What names the card for good.
    ///
    /// # Errors
    ///
    /// [`NoAnswer`].
    pub fn uuid(&self) -> Result<String, NoAnswer> {
        self.text("nvmlDeviceGetUUID")
    }

    /// Its make.
    ///
    /// # Errors
    ///
    /// [`NoAnswer`].
    pub fn name(&self) -> Result<String, NoAnswer> {
        self.text("nvmlDeviceGetName")
    }

    /// The version of the driver.
    ///
    /// # Errors
    ///
    /// [`NoAnswer`].
    pub fn driver(&self) -> Result<String, NoAnswer> {
        let name = "nvmlSystemGetDriverVersion";
        let mut text = [0; 96];
        // SAFETY: the type is that of the function in nvml.h, and the buffer
        // has as much room as it is told.
        unsafe {
            let read: Symbol<'_, unsafe extern "C" fn(*mut c_char, c_uint) -> c_uint> =
                self.find(name)?;
            told(name, read(text.as_mut_ptr(), 96))?;
        }
        Ok(text_of(&text))
    }

    /// The first form of a reading, which every driver knows.
    ///
    /// # Errors
    ///
    /// [`NoAnswer`].
    pub fn memory(&self) -> Result<Memory, NoAnswer> {
        let name = "nvmlDeviceGetMemoryInfo";
        let mut form = FirstForm::default();
        // SAFETY: the type is that of the function in nvml.h, and the pointer
        // is to the variable above.
        unsafe {
            let read: Symbol<'_, unsafe extern "C" fn(*mut c_void, *mut FirstForm) -> c_uint> =
                self.find(name)?;
            told(name, read(self.handle.0, &mut form))?;
        }
        Ok(Memory { total: form.total, free: form.free, used: form.used, reserved: 0 })
    }

    /// The second form, which came with R510.
    ///
    /// # Errors
    ///
    /// [`NoAnswer`].
    pub fn memory_v2(&self) -> Result<Memory, NoAnswer> {
        let name = "nvmlDeviceGetMemoryInfo_v2";
        let mut form = SecondForm { version: MEMORY_V2, ..SecondForm::default() };
        // SAFETY: as above, and the version is set.
        unsafe {
            let read: Symbol<'_, unsafe extern "C" fn(*mut c_void, *mut SecondForm) -> c_uint> =
                self.find(name)?;
            told(name, read(self.handle.0, &mut form))?;
        }
        let SecondForm { total, free, used, reserved, .. } = form;
        Ok(Memory { total, free, used, reserved })
    }

    /// How many processes compute on the card.
    ///
    /// # Errors
    ///
    /// [`NoAnswer`].
    pub fn processes(&self) -> Result<u32, NoAnswer> {
        const ROOM: u32 = 256;
        type List = unsafe extern "C" fn(*mut c_void, *mut c_uint, *mut Process) -> c_uint;
        let name = "nvmlDeviceGetComputeRunningProcesses_v3";
        let mut count = ROOM;
        let mut lines = vec![Process::default(); ROOM as usize];
        // SAFETY: the type is that of the function in nvml.h, and there is
        // room for as many as are counted.
        unsafe {
            let list: Symbol<'_, List> = self.find(name)?;
            told(name, list(self.handle.0, &mut count, lines.as_mut_ptr()))?;
        }
        Ok(count)
    }

    fn text(&self, name: &str) -> Result<String, NoAnswer> {
        type Read = unsafe extern "C" fn(*mut c_void, *mut c_char, c_uint) -> c_uint;
        let mut text = [0; 96];
        // SAFETY: both functions that are read so have this type in nvml.h,
        // and the buffer has as much room as it is told.
        unsafe {
            let read: Symbol<'_, Read> = self.find(name)?;
            told(name, read(self.handle.0, text.as_mut_ptr(), 96))?;
        }
        Ok(text_of(&text))
    }

    /// # Safety
    ///
    /// The type is that of the function.
    unsafe fn find<T>(&self, name: &str) -> Result<Symbol<'_, T>, NoAnswer> {
        // SAFETY: by the contract of this function.
        unsafe { self.library.get(name.as_bytes()) }.map_err(|error| NoAnswer(error.to_string()))
    }
}

impl Memory {
    /// What is not free, whoever has it.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.total.saturating_sub(self.free)
    }
}

impl fmt::Debug for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Card").finish_non_exhaustive()
    }
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoAnswer {}

fn told(call: &str, code: c_uint) -> Result<(), NoAnswer> {
    if code == 0 { Ok(()) } else { Err(NoAnswer(format!("{call} says {code}"))) }
}

fn text_of(buffer: &[c_char]) -> String {
    let bytes: Vec<u8> = buffer.iter().map(|letter| letter.cast_unsigned()).collect();
    let text = CStr::from_bytes_until_nul(&bytes).unwrap_or_default();
    text.to_string_lossy().into_owned()
}
