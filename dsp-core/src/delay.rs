//! A fixed delay.

/// Delays a stream of samples by a whole number of them.
#[derive(Clone, Debug, Default)]
pub struct Delay {
    ring: Vec<f32>,
    at: usize,
}

impl Delay {
    /// A delay of so many samples; before the first there was silence.
    pub fn new(samples: usize) -> Self {
        Self { ring: vec![0.0; samples], at: 0 }
    }

    /// Samples of delay.
    pub fn samples(&self) -> usize {
        self.ring.len()
    }

    /// As if only silence had been before.
    pub fn reset(&mut self) {
        self.ring.fill(0.0);
        self.at = 0;
    }

    /// Delays a block in place.
    pub fn process(&mut self, block: &mut [f32]) {
        let mut rest = block;
        while !rest.is_empty() && !self.ring.is_empty() {
            let length = rest.len().min(self.ring.len() - self.at);
            let (now, later) = rest.split_at_mut(length);
            now.swap_with_slice(&mut self.ring[self.at..self.at + length]);
            self.at = (self.at + length) % self.ring.len();
            rest = later;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_delays_by_as_much_as_it_says_whatever_the_blocks() {
        let input: Vec<f32> = (1..=500).map(|n| n as f32).collect();
        for samples in [0, 1, 7, 64, 400] {
            for block in [1, 17, 64, 500] {
                let mut delay = Delay::new(samples);
                let mut out = input.clone();
                out.chunks_mut(block).for_each(|block| delay.process(block));
                assert!(out[..samples].iter().all(|&x| x == 0.0) && out[samples..] == input[..500 - samples]);
                delay.reset();
                let mut again = input.clone();
                delay.process(&mut again);
                assert!(again == out && delay.samples() == samples);
            }
        }
    }
}
