//! The stand-alone program: the plugin between a sound card's input and output. `--help` lists the
//! devices and backends.

fn main() -> std::process::ExitCode {
    if plainsong_shell::nice_plug::nice_export_standalone::<stems::Stems>() {
        std::process::ExitCode::SUCCESS
    } else {
        std::process::ExitCode::FAILURE
    }
}
