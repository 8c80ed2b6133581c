//! Denormal numbers are flushed to zero while a guard lives.
//!
//! A tail that decays through 1e-38 would otherwise cost tens of times the CPU. Plugin hosts do not
//! all switch this on, and the plugin framework leaves it to the plugin.

/// Flushes denormals on this thread until dropped, then restores what was set before.
#[derive(Debug)]
pub struct FlushDenormals {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    before: u64,
}

#[cfg(target_arch = "x86_64")]
mod control {
    /// Flush-to-zero (bit 15) and denormals-are-zero (bit 6) of MXCSR.
    pub const FLUSH: u64 = (1 << 15) | (1 << 6);

    pub fn read() -> u64 {
        let mut word: u32 = 0;
        // SAFETY: stores the control word to the address of a live local.
        unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut word, options(nostack, preserves_flags)) };
        u64::from(word)
    }

    pub fn write(value: u64) {
        let word = value as u32;
        // SAFETY: loads a control word that was read before, with the two flush bits at most changed.
        unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const word, options(nostack, readonly, preserves_flags)) };
    }
}

#[cfg(target_arch = "aarch64")]
mod control {
    /// Flush-to-zero (bit 24) of FPCR.
    pub const FLUSH: u64 = 1 << 24;

    pub fn read() -> u64 {
        let word: u64;
        // SAFETY: reads a register.
        unsafe { std::arch::asm!("mrs {}, fpcr", out(reg) word, options(nomem, nostack, preserves_flags)) };
        word
    }

    pub fn write(word: u64) {
        // SAFETY: writes a control word that was read before, with the flush bit at most changed.
        unsafe { std::arch::asm!("msr fpcr, {}", in(reg) word, options(nomem, nostack, preserves_flags)) };
    }
}

impl FlushDenormals {
    /// Switches flushing on.
    #[must_use]
    pub fn on() -> Self {
        #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
        {
            let before = control::read();
            control::write(before | control::FLUSH);
            Self { before }
        }
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        Self {}
    }
}

impl Drop for FlushDenormals {
    fn drop(&mut self) {
        #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
        control::write(self.before);
    }
}

#[cfg(all(test, any(target_arch = "x86_64", target_arch = "aarch64")))]
mod tests {
    use super::*;
    use std::hint::black_box;

    #[test]
    fn denormals_are_zero_while_the_guard_lives() {
        let small = || black_box(f32::MIN_POSITIVE) * black_box(0.5);
        assert!(small() > 0.0);
        {
            let _guard = FlushDenormals::on();
            assert_eq!(small(), 0.0);
        }
        assert!(small() > 0.0);
    }
}
