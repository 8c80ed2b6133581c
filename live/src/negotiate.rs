//! Which rate, block, format and channels two devices are opened with.

/// One range of what a device offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Lowest and highest rate in hertz.
    pub rates: (u32, u32),
    /// Channels.
    pub channels: u16,
    /// Smallest and largest block in frames; none where the device does not say.
    pub blocks: Option<(u32, u32)>,
    /// How well its sample format serves, higher is better; 0 cannot be used.
    pub format: u8,
    /// The caller's number of this range.
    pub index: usize,
}

/// What a device is opened with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Hertz.
    pub rate: u32,
    /// Channels.
    pub channels: u16,
    /// Frames of a block; none leaves it to the device.
    pub block: Option<u32>,
    /// [`Offer::index`].
    pub index: usize,
}

/// Nothing fits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The rate that was asked for.
    #[error("{device} cannot run at {wanted} Hz; it offers {offered}")]
    Rate {
        /// Its name.
        device: String,
        /// Hertz.
        wanted: u32,
        /// Rates.
        offered: String,
    },
    /// The channels.
    #[error("{device} has {most} channel(s), and {wanted} are wanted; choose others by --in-channels or --channels")]
    Channels {
        /// Its name.
        device: String,
        /// Channels wanted.
        wanted: u16,
        /// Channels there are.
        most: u16,
    },
    /// Nothing at all.
    #[error("{device} offers nothing that can be used; it may be in use by another program")]
    Nothing {
        /// Its name.
        device: String,
    },
}

/// Rate of both where nobody asks for another: what voices, meetings and video use.
pub const USUAL: u32 = 48_000;
/// The next best.
const SECOND: u32 = 44_100;

fn holds(offer: &Offer, rate: u32) -> bool {
    (offer.rates.0..=offer.rates.1).contains(&rate)
}

/// Chooses for a device called `device` from its `offers`. `rate` is a demand, `like` a wish (the other device's
/// rate, which saves a change of rate). At least `channels` channels are needed; no more are taken than that
/// where the device can.
///
/// # Errors
/// When nothing fits; it says what there is.
pub fn choose(device: &str, offers: &[Offer], rate: Option<u32>, like: Option<u32>, block: u32, channels: u16) -> Result<Choice, Refused> {
    let usable: Vec<&Offer> = offers.iter().filter(|offer| offer.format > 0 && offer.rates.0 <= offer.rates.1).collect();
    if usable.is_empty() {
        return Err(Refused::Nothing { device: device.to_owned() });
    }
    let most = usable.iter().map(|offer| offer.channels).max().unwrap_or(0);
    if most < channels {
        return Err(Refused::Channels { device: device.to_owned(), wanted: channels, most });
    }
    let wide: Vec<&Offer> = usable.into_iter().filter(|offer| offer.channels >= channels).collect();
    let chosen = match rate {
        Some(rate) if wide.iter().any(|offer| holds(offer, rate)) => rate,
        Some(wanted) => {
            let mut offered: Vec<(u32, u32)> = wide.iter().map(|offer| offer.rates).collect();
            offered.sort_unstable();
            offered.dedup();
            let text = |(low, high): &(u32, u32)| if low == high { format!("{low} Hz") } else { format!("{low} to {high} Hz") };
            let offered = offered.iter().map(text).collect::<Vec<_>>().join(", ");
            return Err(Refused::Rate { device: device.to_owned(), wanted, offered });
        }
        None => {
            let wishes = [like, Some(USUAL), Some(SECOND)];
            let wish = wishes.into_iter().flatten().find(|wish| wide.iter().any(|offer| holds(offer, *wish)));
            // A device with none of these: the rate nearest to the usual one.
            wish.unwrap_or_else(|| {
                let ends = wide.iter().flat_map(|offer| [offer.rates.0, offer.rates.1]);
                ends.min_by_key(|end| end.abs_diff(USUAL)).unwrap_or(USUAL)
            })
        }
    };
    let fitting = wide.into_iter().filter(|offer| holds(offer, chosen));
    let best = fitting.min_by_key(|offer| {
        let off = offer.blocks.map_or(0, |(low, high)| block.abs_diff(block.clamp(low, high.max(low))));
        (off, offer.channels - channels, u8::MAX - offer.format)
    });
    let best = best.ok_or_else(|| Refused::Nothing { device: device.to_owned() })?;
    let block = best.blocks.map(|(low, high)| block.clamp(low, high.max(low)));
    Ok(Choice { rate: chosen, channels: best.channels, block, index: best.index })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(rates: (u32, u32), channels: u16, blocks: (u32, u32), format: u8, index: usize) -> Offer {
        Offer { rates, channels, blocks: Some(blocks), format, index }
    }

    #[test]
    fn the_usual_rate_the_fewest_channels_and_the_best_format_are_taken() {
        let offers = [
            offer((8_000, 192_000), 2, (16, 8_192), 1, 0),
            offer((8_000, 192_000), 2, (16, 8_192), 3, 1),
            offer((8_000, 192_000), 1, (16, 8_192), 2, 2),
        ];
        assert_eq!(choose("x", &offers, None, None, 256, 1), Ok(Choice { rate: 48_000, channels: 1, block: Some(256), index: 2 }));
        assert_eq!(choose("x", &offers, Some(96_000), None, 256, 2), Ok(Choice { rate: 96_000, channels: 2, block: Some(256), index: 1 }));
        assert_eq!(choose("x", &offers, None, Some(44_100), 8, 1).map(|choice| (choice.rate, choice.block)), Ok((44_100, Some(16))));
    }

    #[test]
    fn a_device_that_cannot_says_what_it_can() {
        let phone = [offer((16_000, 16_000), 1, (160, 160), 2, 0)];
        assert_eq!(
            choose("phone", &phone, None, Some(48_000), 256, 1),
            Ok(Choice { rate: 16_000, channels: 1, block: Some(160), index: 0 })
        );
        let error = choose("phone", &phone, Some(48_000), None, 256, 1).unwrap_err().to_string();
        assert!(error.contains("phone cannot run at 48000 Hz; it offers 16000 Hz"), "{error}");
        let error = choose("phone", &phone, None, None, 256, 2).unwrap_err().to_string();
        assert!(error.contains("1 channel(s), and 2"), "{error}");
        assert!(matches!(choose("phone", &[], None, None, 256, 1), Err(Refused::Nothing { .. })));
    }
}
