//! A band that plays behind a voice, for pictures of what takes songs apart: drums, bass and chords, four bars
//! over and over.

use std::f32::consts::TAU;

/// Rate in hertz.
const RATE: f32 = 48_000.0;
/// Beats a second.
const BEATS: f32 = 104.0 / 60.0;
/// Root of each bar's chord in hertz, and whether its third is a minor one: A minor, F, C, G.
const BARS: [(f32, bool); 4] = [(55.0, true), (43.65, false), (65.41, false), (49.0, false)];

/// Noise between -1 and 1.
struct Noise(u32);

impl Noise {
    fn next(&mut self) -> f32 {
        // Marsaglia's xorshift (Journal of Statistical Software 8, 2003).
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 as f32 / u32::MAX as f32 * 2.0 - 1.0
    }
}

/// Adds the band to a voice, left and right.
pub fn play(sound: &mut [[f32; 2]]) {
    let mut noise = Noise(0x9E37_79B9);
    let (mut bass_low, mut pad_low, mut hiss) = (0.0, [0.0; 2], 0.0);
    for (index, pair) in sound.iter_mut().enumerate() {
        let time = index as f32 / RATE;
        let beat = time * BEATS;
        let (root, minor) = BARS[(beat / 4.0) as usize % BARS.len()];
        // Seconds since the last beat of the drum, half beat, and the number of the beat in its bar.
        let (since, half, number) = (beat.fract() / BEATS, (2.0 * beat).fract() / (2.0 * BEATS), beat as usize % 4);
        let grain = noise.next();

        let mut drums = [0.0; 2];
        if number.is_multiple_of(2) {
            // Falls from 140 to 45 Hz.
            let phase = 45.0 * since + 95.0 * 0.03 * (1.0 - (-since / 0.03).exp());
            let kick = 0.5 * (TAU * phase).sin() * (-since / 0.14).exp();
            drums = drums.map(|sample| sample + kick);
        } else {
            let snare = 0.22 * (0.8 * grain + 0.5 * (TAU * 190.0 * since).sin()) * (-since / 0.09).exp();
            drums = drums.map(|sample| sample + snare);
        }
        let high = grain - hiss;
        hiss = grain;
        let hat = 0.05 * high * (-half / 0.03).exp();
        drums = [drums[0] + 0.6 * hat, drums[1] + hat];

        let saw = |hertz: f32| 2.0 * (time * hertz).fract() - 1.0;
        bass_low += 0.06 * (saw(root) * (-half / 0.25).exp() - bass_low);
        let third = if minor { 1.189_2 } else { 1.259_9 };
        for (side, low) in pad_low.iter_mut().enumerate() {
            let detune = if side == 0 { 1.003 } else { 0.997 };
            let chord: f32 = [1.0, third, 1.498_3].map(|step| saw(8.0 * root * step * detune)).iter().sum();
            *low += 0.12 * (chord - *low);
            pair[side] = 0.9 * pair[side] + drums[side] + 0.55 * bass_low + 0.045 * *low;
        }
    }
    let peak = sound.iter().flatten().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    if peak > 0.9 {
        sound.iter_mut().flatten().for_each(|sample| *sample *= 0.9 / peak);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_has_lows_and_differs_between_the_sides_and_does_not_clip() {
        let mut sound = vec![[0.0; 2]; 2 * RATE as usize];
        play(&mut sound);
        let power = |x: f32| x * x;
        let level: f32 = sound.iter().map(|pair| power(pair[0])).sum::<f32>() / sound.len() as f32;
        let sides: f32 = sound.iter().map(|pair| power(pair[0] - pair[1])).sum::<f32>() / sound.len() as f32;
        assert!(level > 1e-4 && sides > 1e-6 && sides < level, "{level} {sides}");
        assert!(sound.iter().flatten().all(|x| x.abs() <= 0.9));
    }
}
