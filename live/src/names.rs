//! Which device a person means.

/// A text that names no device, or more than one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unclear {
    /// None has it.
    #[error("there is no {side} \"{wanted}\"; there are: {known}")]
    Unknown {
        /// "input" or "output".
        side: &'static str,
        /// The text.
        wanted: String,
        /// All there are.
        known: String,
    },
    /// Several have it.
    #[error("\"{wanted}\" may be one of several {side}s: {fitting}; say more of the name, or its number in brackets")]
    Ambiguous {
        /// "input" or "output".
        side: &'static str,
        /// The text.
        wanted: String,
        /// Those that have it.
        fitting: String,
    },
}

/// Index of the device that is meant by its number in the list (from 1), its name or id, or a part of either;
/// case does not matter. A whole name wins over a part.
///
/// # Errors
/// When none fits, or several do.
pub fn choose(side: &'static str, names: &[(String, String)], wanted: &str) -> Result<usize, Unclear> {
    let text = wanted.trim().to_lowercase();
    if let Ok(number) = text.trim_matches(['[', ']']).parse::<usize>()
        && (1..=names.len()).contains(&number)
    {
        return Ok(number - 1);
    }
    let exact = |(name, id): &&(String, String)| name.to_lowercase() == text || id.to_lowercase() == text;
    let part = |(name, id): &&(String, String)| name.to_lowercase().contains(&text) || id.to_lowercase().contains(&text);
    let position = |found: &(String, String)| names.iter().position(|name| std::ptr::eq(name, found)).unwrap_or(0);
    let fits: Vec<&(String, String)> = names.iter().filter(exact).collect();
    let fits = if fits.is_empty() { names.iter().filter(part).collect() } else { fits };
    let list =
        |of: &[&(String, String)]| of.iter().map(|found| format!("[{}] {}", position(found) + 1, found.0)).collect::<Vec<_>>().join(", ");
    match fits.as_slice() {
        [one] => Ok(position(one)),
        [] => {
            let all: Vec<&(String, String)> = names.iter().collect();
            let known = if all.is_empty() { "none at all".to_owned() } else { list(&all) };
            Err(Unclear::Unknown { side, wanted: wanted.to_owned(), known })
        }
        several => Err(Unclear::Ambiguous { side, wanted: wanted.to_owned(), fitting: list(several) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_of_a_name_suffices_and_what_is_ambiguous_is_told() {
        let names = ["USB Microphone", "USB Headset", "Built-in"].map(|name| (name.to_owned(), format!("hw:{}", name.len())));
        assert_eq!(choose("input", &names, "head"), Ok(1));
        assert_eq!(choose("input", &names, "built-IN"), Ok(2));
        assert_eq!(choose("input", &names, "hw:14"), Ok(0));
        assert_eq!(choose("input", &names, "2"), Ok(1));
        let error = choose("input", &names, "usb").unwrap_err().to_string();
        assert!(error.contains("[1] USB Microphone, [2] USB Headset"), "{error}");
        let error = choose("output", &names, "jack").unwrap_err().to_string();
        assert!(error.contains("no output \"jack\"") && error.contains("Built-in"), "{error}");
        assert!(choose("output", &[], "x").unwrap_err().to_string().contains("none at all"));
        let twice = ["USB", "USB Headset"].map(|name| (name.to_owned(), String::from("id")));
        assert_eq!(choose("input", &twice, "usb"), Ok(0), "a whole name wins");
    }
}
