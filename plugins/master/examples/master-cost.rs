//! What the plugin's work costs, for `cargo xtask bench master --learn`: `master-cost [SECONDS]`.

fn main() {
    let seconds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(30.0);
    println!("{}", master::cost::measure(seconds));
}
