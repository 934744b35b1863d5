//! What a cache promises: what it keeps and forgets, that its memory always adds up, and that a holder's death costs nothing else.

use std::collections::BTreeMap;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use super::*;
use crate::StoreError;

fn shape() -> Shape {
    Shape {
        items: 4,
        blocks: 4,
        block_size: 16,
        key_size: 16,
        buckets: 3,
        chained: false,
        when_full: WhenFull::Refuse,
    }
}

fn cache(shape: Shape) -> Cache {
    Cache::create(shape).expect("memory")
}

fn replace(cache: &Cache, key: &str, value: &str) -> Result<(), Refusal> {
    cache.store(key.as_bytes(), value.as_bytes(), 0, Existing::Replace, 0)
}

fn value(cache: &Cache, key: &str) -> Option<String> {
    let value = cache.value(key.as_bytes(), 0).expect("lock");
    value.map(|bytes| String::from_utf8(bytes).expect("text"))
}

#[test]
fn what_is_stored_is_found_until_it_is_removed() {
    let cache = cache(shape());
    cache.store(b"key", b"one", 0, Existing::Keep, 0).expect("store");
    assert!(matches!(
        cache.store(b"key", b"two", 0, Existing::Keep, 0),
        Err(Refusal::Exists)
    ));
    assert_eq!(value(&cache, "key").as_deref(), Some("one"));
    replace(&cache, "key", "two").expect("replace");
    assert_eq!(value(&cache, "key").as_deref(), Some("two"));
    assert_eq!(value(&cache, "other"), None);
    assert!(cache.remove(b"key", 0).expect("lock"));
    assert!(!cache.remove(b"key", 0).expect("lock"));
    assert!(!cache.contains(b"key", 0).expect("lock"));
    let expected = CacheStatistics {
        items: 0,
        hits: 2,
        misses: 1,
        full: 0,
    };
    assert_eq!(cache.statistics(), expected);
}

#[test]
fn values_of_every_length_come_back_as_they_were() {
    let cache = cache(Shape {
        chained: true,
        blocks: 40,
        ..shape()
    });
    for length in (0..=600).step_by(if cfg!(miri) { 97 } else { 1 }) {
        let bytes: Vec<u8> = (0..length).map(|index| (index * 7 + length) as u8).collect();
        cache
            .store(b"key", &bytes, 0, Existing::Replace, 0)
            .expect("store");
        assert_eq!(cache.value(b"key", 0).expect("lock"), Some(bytes), "{length}");
    }
}

#[test]
fn a_full_cache_refuses_and_keeps_what_it_has() {
    let cache = cache(shape());
    for key in ["a", "b", "c", "d"] {
        replace(&cache, key, key).expect("store");
    }
    assert!(matches!(replace(&cache, "e", "e"), Err(Refusal::Full)));
    replace(&cache, "a", "new").expect("what is there may be replaced");
    assert_eq!(value(&cache, "a").as_deref(), Some("new"));
    assert_eq!(cache.keys(0).expect("lock").len(), 4);
    assert_eq!(cache.statistics().full, 1);
    cache.clear().expect("lock");
    assert_eq!(cache.keys(0).expect("lock").len(), 0);
    replace(&cache, "e", "e").expect("there is room again");
}

#[test]
fn what_was_not_used_for_longest_makes_room() {
    let cache = cache(Shape {
        when_full: WhenFull::ForgetOldest,
        ..shape()
    });
    for key in ["a", "b", "c", "d"] {
        replace(&cache, key, key).expect("store");
    }
    assert!(value(&cache, "a").is_some());
    replace(&cache, "e", "e").expect("store");
    replace(&cache, "f", "f").expect("store");
    let mut keys = cache.keys(0).expect("lock");
    keys.sort();
    assert_eq!(keys, [b"a", b"d", b"e", b"f"]);
}

#[test]
fn a_cache_may_be_cleared_when_it_is_full() {
    let cache = cache(Shape {
        when_full: WhenFull::Clear,
        ..shape()
    });
    for key in ["a", "b", "c", "d", "e"] {
        replace(&cache, key, key).expect("store");
    }
    assert_eq!(cache.keys(0).expect("lock"), [b"e"]);
}

#[test]
fn what_has_expired_is_not_there_and_makes_room() {
    let cache = cache(shape());
    for key in [b"a", b"b", b"c", b"d"] {
        cache.store(key, b"x", 100, Existing::Keep, 0).expect("store");
    }
    assert!(cache.contains(b"a", 99).expect("lock"));
    assert!(!cache.contains(b"a", 100).expect("lock"));
    assert!(matches!(
        cache.store(b"e", b"x", 0, Existing::Keep, 99),
        Err(Refusal::Full)
    ));
    cache
        .store(b"a", b"y", 200, Existing::Keep, 100)
        .expect("its time is over");
    cache.store(b"e", b"x", 0, Existing::Keep, 100).expect("room");
    assert_eq!(cache.sweep(200).expect("lock"), 1);
    assert_eq!(cache.keys(200).expect("lock"), [b"e"]);
}

#[test]
fn keys_and_values_beyond_the_sizes_are_refused() {
    let long = "x".repeat(17);
    let cache = cache(shape());
    assert!(matches!(replace(&cache, &long, ""), Err(Refusal::Key)));
    assert!(matches!(replace(&cache, "", ""), Err(Refusal::Key)));
    assert!(matches!(replace(&cache, "a", &long), Err(Refusal::Value)));
    replace(&cache, &long[..16], &long[..16]).expect("as large as may be");
}

#[test]
fn numbers_are_calculated_in_place() {
    let cache = cache(shape());
    assert_eq!(cache.calculate(b"n", 50, 0, |n| n + 5).expect("new"), 5);
    assert_eq!(cache.calculate(b"n", 0, 0, |n| n * -3).expect("there"), -15);
    assert_eq!(cache.number(b"n", 49).expect("lock"), Some(-15));
    assert_eq!(cache.number(b"n", 50).expect("lock"), None);
    replace(&cache, "text", "text").expect("store");
    assert!(matches!(
        cache.calculate(b"text", 0, 0, |n| n),
        Err(Refusal::NotANumber)
    ));
}

/// A number generator, so that the storm is the same each time.
fn dice(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn a_storm_of_changes_leaves_what_a_map_would_hold() {
    let cache = cache(Shape {
        items: 30,
        blocks: 60,
        chained: true,
        ..shape()
    });
    let (mut map, mut state) = (BTreeMap::new(), 88_172_645_463_325_252);
    let steps = if cfg!(miri) { 50 } else { 20_000 };
    for step in 0..steps {
        let key = format!("key{}", dice(&mut state) % 40);
        let bytes = vec![b'v'; (dice(&mut state) % 70) as usize];
        match dice(&mut state) % 4 {
            0 => {
                assert_eq!(
                    cache.remove(key.as_bytes(), 0).expect("lock"),
                    map.remove(&key).is_some()
                );
            }
            _ => match cache.store(key.as_bytes(), &bytes, 0, Existing::Replace, 0) {
                Ok(()) => drop(map.insert(key, bytes)),
                Err(Refusal::Full) => {}
                Err(other) => panic!("step {step}: {other:?}"),
            },
        }
        if step % 997 == 0 {
            cache.hold().expect("lock").put_in_order();
        }
    }
    for (key, bytes) in &map {
        assert_eq!(
            cache.value(key.as_bytes(), 0).expect("lock").as_ref(),
            Some(bytes)
        );
    }
    assert_eq!(cache.keys(0).expect("lock").len(), map.len());
}

/// The exit code of a child.
fn ended(pid: u32) -> Option<i32> {
    let (_, status) = waitpid(Pid::from_raw(pid.cast_signed()), WaitOptions::empty()).ok()??;
    status.exit_status()
}

/// Whether `claim` holds in a process of its own, whose end closes what it has opened.
fn holds_elsewhere(claim: impl FnOnce() -> bool) -> bool {
    match sys::fork().expect("fork") {
        sys::Fork::Child => {
            let holds = std::panic::catch_unwind(std::panic::AssertUnwindSafe(claim));
            sys::exit_now(i32::from(!holds.unwrap_or(false)))
        }
        sys::Fork::Parent(pid) => ended(pid) == Some(0),
    }
}

#[test]
#[cfg_attr(miri, ignore = "forks")]
fn a_file_keeps_everything_and_tells_what_it_is() {
    let directory = std::env::temp_dir().join(format!("penstock-cache-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("directory");
    let path = directory.join("store");
    assert!(holds_elsewhere(|| {
        let cache = Cache::open(shape(), &path).expect("new");
        replace(&cache, "a", "one").expect("store");
        replace(&cache, "a", "two").expect("store");
        // As if killed in the middle of a change.
        cache.memory.write(head::CHANGING, 1);
        cache.memory.write(head::FREE_BLOCK, 3);
        true
    }));
    assert!(holds_elsewhere(|| {
        let cache = Cache::open(shape(), &path).expect("again");
        value(&cache, "a").as_deref() == Some("two")
    }));
    let other = Shape { items: 5, ..shape() };
    assert!(holds_elsewhere(|| matches!(
        Cache::open(other, &path),
        Err(StoreError::Shape)
    )));
    for content in ["no cache", &*"x".repeat(100_000)] {
        std::fs::write(&path, content).expect("write");
        assert!(holds_elsewhere(|| matches!(
            Cache::open(shape(), &path),
            Err(StoreError::Foreign)
        )));
        assert_eq!(std::fs::read_to_string(&path).expect("read"), content);
    }
    std::fs::remove_dir_all(&directory).expect("remove");
}

/// Kills a process that stores for all it is worth, many times over: what it has said to be stored is there, and what is
/// there is whole.
#[test]
#[cfg(target_os = "linux")]
#[cfg_attr(miri, ignore = "forks")]
fn a_killed_process_loses_nothing_that_was_stored() {
    let cache = cache(Shape {
        items: 16,
        blocks: 64,
        chained: true,
        ..shape()
    });
    let told = sys::shared_words(8).expect("memory");
    for round in 0_u64..30 {
        match sys::fork().expect("fork") {
            sys::Fork::Child => {
                for step in 1.. {
                    let number = round << 32 | step;
                    let key = step as usize % 8;
                    let bytes = number.to_le_bytes().repeat(1 + step as usize % 6);
                    if cache
                        .store(&[b'k', key as u8], &bytes, 0, Existing::Replace, 0)
                        .is_ok()
                    {
                        told[key].store(number, std::sync::atomic::Ordering::Release);
                    }
                }
            }
            sys::Fork::Parent(pid) => {
                std::thread::sleep(std::time::Duration::from_micros(2000 + 137 * round));
                let pid = Pid::from_raw(pid.cast_signed()).expect("a process id");
                kill_process(pid, Signal::KILL).expect("kill");
                waitpid(Some(pid), WaitOptions::empty()).expect("wait");
            }
        }
        for (key, told) in told.iter().enumerate() {
            let told = told.load(std::sync::atomic::Ordering::Acquire);
            let Some(bytes) = cache.value(&[b'k', key as u8], 0).expect("lock") else {
                assert_eq!(told, 0, "round {round}: key {key} is lost");
                continue;
            };
            let (numbers, rest) = bytes.as_chunks::<8>();
            assert!(rest.is_empty() && numbers.iter().all(|number| number == &numbers[0]));
            assert!(
                u64::from_le_bytes(numbers[0]) >= told,
                "round {round}: an old value is back"
            );
        }
    }
}
