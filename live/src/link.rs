//! A device that may go and come back.
//!
//! Open, lost, looked for, open again: the machine is the same for every kind of device, and is driven by
//! times that are handed in.

use std::time::Duration;

/// Time from a loss to the first attempt to open again: what pulls a device out often still moves then.
const FIRST: Duration = Duration::from_millis(300);
/// Time between two attempts.
const AGAIN: Duration = Duration::from_secs(1);
/// Time without a callback after which an open device is given up and opened anew.
const DEAD: Duration = Duration::from_secs(3);

/// What opens a device.
pub trait Opener {
    /// An open device; dropping it closes it.
    type Stream;

    /// Opens the device, if it is there.
    ///
    /// # Errors
    /// Why not, for a person.
    fn open(&mut self) -> Result<Self::Stream, String>;

    /// True once when the open device has told that it is lost.
    fn lost(&mut self) -> Option<String>;

    /// Callbacks so far.
    fn callbacks(&self) -> u64;
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It is open.
    Opened,
    /// It is gone, and looked for from now on.
    Lost(String),
    /// It could not be opened, for another reason than before.
    Refused(String),
}

/// The machine of one device.
pub struct Keeper<O: Opener> {
    opener: O,
    stream: Option<O::Stream>,
    next: Duration,
    callbacks: u64,
    heard: Duration,
    reason: Option<String>,
}

impl<O: Opener> Keeper<O> {
    /// A device that is not open yet.
    pub fn new(opener: O) -> Self {
        Self { opener, stream: None, next: Duration::ZERO, callbacks: 0, heard: Duration::ZERO, reason: None }
    }

    /// True while it is open.
    pub fn is_open(&self) -> bool {
        self.stream.is_some()
    }

    /// What opens it.
    pub fn opener(&mut self) -> &mut O {
        &mut self.opener
    }

    /// Looks at the device at a time since the program's start; call it some times a second.
    pub fn look(&mut self, now: Duration) -> Option<Event> {
        if self.stream.is_some() {
            let callbacks = self.opener.callbacks();
            if callbacks != self.callbacks {
                (self.callbacks, self.heard) = (callbacks, now);
            }
            let why = self.opener.lost().or_else(|| {
                let silent = now.saturating_sub(self.heard) >= DEAD;
                silent.then(|| format!("it has not called for {} s", DEAD.as_secs()))
            })?;
            self.stream = None;
            self.next = now + FIRST;
            self.reason = Some(why.clone());
            return Some(Event::Lost(why));
        }
        if now < self.next {
            return None;
        }
        match self.opener.open() {
            Ok(stream) => {
                // What an earlier stream told late is not about this one.
                let _ = self.opener.lost();
                self.stream = Some(stream);
                (self.callbacks, self.heard, self.reason) = (self.opener.callbacks(), now, None);
                Some(Event::Opened)
            }
            Err(why) => {
                self.next = now + AGAIN;
                (self.reason.as_ref() != Some(&why)).then(|| {
                    self.reason = Some(why.clone());
                    Event::Refused(why)
                })
            }
        }
    }

    /// Closes it.
    pub fn close(&mut self) {
        self.stream = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Fake {
        there: bool,
        told: Option<String>,
        callbacks: u64,
        opened: u32,
    }

    impl Opener for Fake {
        type Stream = ();

        fn open(&mut self) -> Result<(), String> {
            self.opened += 1;
            if self.there { Ok(()) } else { Err("not there".into()) }
        }

        fn lost(&mut self) -> Option<String> {
            self.told.take()
        }

        fn callbacks(&self) -> u64 {
            self.callbacks
        }
    }

    #[test]
    fn a_device_is_pulled_out_and_put_back() {
        let mut keeper = Keeper::new(Fake { there: true, ..Fake::default() });
        let ms = Duration::from_millis;
        assert_eq!(keeper.look(ms(0)), Some(Event::Opened));
        assert_eq!(keeper.look(ms(100)), None);
        (keeper.opener().told, keeper.opener().there) = (Some("unplugged".into()), false);
        assert_eq!(keeper.look(ms(200)), Some(Event::Lost("unplugged".into())));
        assert_eq!(keeper.look(ms(300)), None, "not at once");
        assert_eq!(keeper.look(ms(600)), Some(Event::Refused("not there".into())));
        assert_eq!((keeper.look(ms(700)), keeper.look(ms(1_650)), keeper.look(ms(2_700))), (None, None, None), "said once");
        assert_eq!(keeper.opener().opened, 4);
        keeper.opener().there = true;
        assert_eq!(keeper.look(ms(5_000)), Some(Event::Opened));
        assert!(keeper.is_open());
    }

    #[test]
    fn a_device_that_falls_silent_is_opened_anew() {
        let mut keeper = Keeper::new(Fake { there: true, ..Fake::default() });
        let at = Duration::from_secs;
        keeper.look(at(0));
        keeper.opener().callbacks = 7;
        assert_eq!((keeper.look(at(2)), keeper.look(at(4))), (None, None));
        assert!(matches!(keeper.look(at(6)), Some(Event::Lost(_))));
        assert_eq!(keeper.look(at(7)), Some(Event::Opened));
    }
}
