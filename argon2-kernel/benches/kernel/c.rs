//! The C implementation: the system's `libargon2.so.1`, and what `benches/kernel/reference` has built of the published
//! source. Loaded while running, so that nothing of it is in any build.

#![expect(unsafe_code, reason = "C promises nothing to the compiler")]

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::ptr::null_mut;

use argon2_kernel::{Kernel, Memory, Params};
use libloading::Library as Loaded;

/// `Argon2_Context` of `argon2.h`.
#[repr(C)]
struct Context {
    out: *mut u8,
    out_length: u32,
    password: *const u8,
    password_length: u32,
    salt: *const u8,
    salt_length: u32,
    secret: *mut u8,
    secret_length: u32,
    data: *mut u8,
    data_length: u32,
    passes: u32,
    memory: u32,
    lanes: u32,
    threads: u32,
    version: u32,
    allocate: extern "C" fn(*mut *mut u8, usize) -> i32,
    free: extern "C" fn(*mut u8, usize),
    flags: u32,
}

const ARGON2ID: i32 = 2;

thread_local! {
    /// Where this thread hashes.
    static MEMORY: Cell<(*mut u8, usize)> = const { Cell::new((null_mut(), 0)) };
}

extern "C" fn allocate(memory: *mut *mut u8, bytes: usize) -> i32 {
    let (address, length) = MEMORY.get();
    if bytes > length {
        return -1;
    }
    // SAFETY: the library's own variable, which it asks to be set.
    unsafe { *memory = address };
    0
}

extern "C" fn free(_memory: *mut u8, _bytes: usize) {}

pub struct Library {
    name: String,
    loaded: Loaded,
}

/// Those that are there.
pub fn libraries() -> Vec<Library> {
    let mut found = Vec::new();
    found.extend(Library::load("libargon2.so.1".as_ref(), "C: libargon2 of the system"));
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/argon2-reference");
    let mut files: Vec<_> = fs::read_dir(built).into_iter().flatten().filter_map(Result::ok).collect();
    files.sort_by_key(|file| file.file_name());
    for file in files.iter().filter(|file| file.path().extension().is_some_and(|extension| extension == "so")) {
        let name = file.path().file_stem().unwrap().to_string_lossy().into_owned();
        // The vectors it was built for follow a dash; every processor has the others.
        let vectors = name.split_once('-').map(|(_, vectors)| vectors).filter(|vectors| vectors.starts_with("avx"));
        if vectors.is_none_or(|vectors| Kernel::available().any(|kernel| kernel.name() == vectors)) {
            found.extend(Library::load(&file.path(), &format!("C: {name}")));
        }
    }
    if found.is_empty() {
        println!("no C implementation: `bash argon2-kernel/benches/kernel/reference` builds it");
    }
    found
}

impl Library {
    fn load(path: &Path, name: &str) -> Option<Self> {
        // SAFETY: this library does nothing when it is loaded.
        let loaded = unsafe { Loaded::new(path) }.ok()?;
        // It would wipe its memory after each hash, which the others leave to the caller.
        // SAFETY: `argon2.h` declares it as `int`, and no thread hashes yet.
        let wipes = unsafe { loaded.get::<*mut i32>(b"FLAG_clear_internal_memory").map(|flag| **flag = 0) }.is_err();
        let name = if wipes { format!("{name}, wipes") } else { name.to_owned() };
        Some(Self { name, loaded })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn hash(&self, password: &[u8], salt: &[u8], params: Params, memory: &mut Memory) -> [u8; 32] {
        let blocks = memory.as_argon2();
        MEMORY.set((blocks.as_mut_ptr().cast(), size_of_val(blocks)));
        let mut out = [0; 32];
        let mut context = Context {
            out: out.as_mut_ptr(),
            out_length: 32,
            password: password.as_ptr(),
            password_length: password.len() as u32,
            salt: salt.as_ptr(),
            salt_length: salt.len() as u32,
            secret: null_mut(),
            secret_length: 0,
            data: null_mut(),
            data_length: 0,
            passes: params.passes(),
            memory: params.memory(),
            lanes: 1,
            threads: 1,
            version: 0x13,
            allocate,
            free,
            flags: 0,
        };
        // SAFETY: the signature and the context are those of `argon2.h`; without flags it writes to `out` only, and
        // hashes in what `allocate` gives, which is borrowed here until it is done.
        let code = unsafe {
            let hash = self.loaded.get::<unsafe extern "C" fn(*mut Context, i32) -> i32>(b"argon2_ctx").unwrap();
            hash(&raw mut context, ARGON2ID)
        };
        MEMORY.set((null_mut(), 0));
        assert_eq!(code, 0, "{}", self.name);
        out
    }
}
