//! The editor with a file in place of its input, for `cargo xtask screenshots`.

fn main() -> Result<(), String> {
    plainsong_shell::shot::main::<stems::StemsProduct>()
}
