//! Compiles the two requests to valgrind.

fn main() {
    cc::Build::new().file("src/requests.c").compile("requests");
    println!("cargo:rerun-if-changed=src/requests.c");
}
