//! A short run of a fuzz target without a fuzzer: the inputs that fuzzing has kept, and mutations of them.
//!
//! An input is a line of `fuzz/seeds/NAME.hex`: what is left of a run's corpus after it was made small. The mutations come
//! from a fixed seed, so that a failure can be repeated; what failed is printed in the same form, to be added as a line.
//!
//! Part of the tests of each room that has a fuzz target.

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Mutations of each input.
const MUTATIONS: u32 = 40;
const SEED: u64 = 0x0070_656e_7374_6f63;

/// Numbers that look random (xorshift64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

/// Panics where one of the kept inputs (a line of hexadecimal each), or a mutation of one, breaks the promise of `check`.
pub(crate) fn replay(check: fn(&[u8]), seeds: &str) {
    let seeds: Vec<Vec<u8>> = seeds.lines().map(bytes).collect();
    assert!(!seeds.is_empty(), "there are no inputs");
    let mut chance = Chance(SEED);
    for seed in &seeds {
        run(check, seed);
        for _ in 0..MUTATIONS {
            let other = &seeds[chance.below(seeds.len())];
            run(check, &mutated(seed, other, &mut chance));
        }
    }
}

fn run(check: fn(&[u8]), input: &[u8]) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(input))) {
        let hex = input.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        eprintln!("the input that failed: {hex}");
        resume_unwind(panic);
    }
}

/// Some bytes changed, inserted, taken out, or replaced by a part of another input.
fn mutated(input: &[u8], other: &[u8], chance: &mut Chance) -> Vec<u8> {
    const TELLING: &[u8] = b"\0\r\n\t :;,/?=%0\x01\x7f\x80\xff";
    let mut input = input.to_vec();
    for _ in 0..=chance.below(3) {
        let at = chance.below(input.len() + 1);
        match chance.below(5) {
            0 if at < input.len() => input[at] ^= 1 << chance.below(8),
            1 if at < input.len() => input[at] = TELLING[chance.below(TELLING.len())],
            2 => input.insert(at, TELLING[chance.below(TELLING.len())]),
            3 => drop(input.drain(at..(at + chance.below(8)).min(input.len()))),
            _ => {
                let from = chance.below(other.len() + 1);
                let part = &other[from..(from + chance.below(32)).min(other.len())];
                input.splice(at..at, part.iter().copied());
            }
        }
    }
    input
}

fn bytes(line: &str) -> Vec<u8> {
    assert!(line.len().is_multiple_of(2), "half a byte in {line}");
    let pair = |at| u8::from_str_radix(&line[at..at + 2], 16).expect("hexadecimal");
    (0..line.len()).step_by(2).map(pair).collect()
}
