//! Keys that look like a slip of the pen: what a manifest says must not be left out because of one letter.

/// Keys of the card, of the sound, and of the only part of a model that has one.
const KNOWN: [&str; 19] = [
    "id",
    "name",
    "version",
    "task",
    "authors",
    "license",
    "homepage",
    "rate",
    "look_ahead",
    "channels",
    "bands",
    "frame",
    "parts",
    "file",
    "sha256",
    "sequence",
    "inputs",
    "outputs",
    "states",
];
/// Keys of a part.
const OF_A_PART: [&str; 6] = ["file", "sha256", "sequence", "inputs", "outputs", "states"];

/// Refuses a key that is nearly a known one, and in parts all that are not known. Others are the author's own notes.
///
/// # Errors
/// The key, and the one that it should be.
pub(super) fn check(table: &toml::Table) -> Result<(), String> {
    for key in table.keys().filter(|key| !KNOWN.contains(&key.as_str())) {
        if let Some(meant) = KNOWN.iter().find(|known| is_near(key, known)) {
            return Err(format!("\"{key}\" is no key; \"{meant}\" is"));
        }
    }
    let parts = table.get("parts").and_then(toml::Value::as_array);
    for (index, part) in parts.into_iter().flatten().enumerate() {
        let strange = part.as_table().into_iter().flat_map(toml::Table::keys).find(|key| !OF_A_PART.contains(&key.as_str()));
        if let Some(key) = strange {
            return Err(format!("part {}: \"{key}\" is no key; there are {}", index + 1, OF_A_PART.join(", ")));
        }
    }
    Ok(())
}

/// The same letters and digits in any case, or one letter more, less or other.
fn is_near(key: &str, known: &str) -> bool {
    let plain = |text: &str| -> Vec<u8> { text.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_lowercase()).collect() };
    let (mut key, mut known) = (plain(key), plain(known));
    if key.len() < known.len() {
        std::mem::swap(&mut key, &mut known);
    }
    // `key` is now the longer one.
    let same = key.iter().zip(&known).take_while(|(a, b)| a == b).count();
    let (left, right) = (&key[same..], &known[same..]);
    match key.len() - known.len() {
        0 => right.is_empty() || left[1..] == right[1..],
        1 => left[1..] == *right,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_letter_is_near_and_a_note_is_not() {
        for (key, known) in [
            ("look_ahed", "look_ahead"),
            ("look-ahead", "look_ahead"),
            ("Channels", "channels"),
            ("channel", "channels"),
            ("bends", "bands"),
        ] {
            assert!(is_near(key, known) && is_near(known, key), "{key}");
        }
        for (key, known) in [("figures", "frame"), ("rest", "rate"), ("bins", "bands"), ("hop_ms", "name"), ("window", "bands"), ("", "id")]
        {
            assert!(!is_near(key, known) && !is_near(known, key), "{key}");
        }
    }

    #[test]
    fn what_is_nearly_a_key_or_strange_in_a_part_is_refused() {
        let told = |text: &str| check(&toml::from_str(text).unwrap());
        assert!(told("id = \"x\"\nsources = []\n[parity]\nframes = 1\n").is_ok());
        assert!(told("chanels = \"each\"").unwrap_err().contains("\"channels\" is"));
        assert!(told("[[parts]]\nfile = \"a\"\nlook_ahead = 1\n").unwrap_err().contains("part 1: \"look_ahead\""));
    }
}
