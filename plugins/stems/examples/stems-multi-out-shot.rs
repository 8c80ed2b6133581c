//! The editor of the plugin with separate outputs, for `cargo xtask screenshots`.

fn main() -> Result<(), String> {
    plainsong_shell::shot::main::<stems::StemsMultiOutProduct>()
}
