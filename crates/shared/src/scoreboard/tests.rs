//! Rows of workers and threads, as one process writes and another reads them.

use super::*;

fn board() -> Scoreboard {
    Scoreboard::create(3, 2).expect("map")
}

#[test]
fn a_row_goes_through_the_life_of_a_worker() {
    let row = board().worker(1);
    assert_eq!(row.state(), WorkerState::Free);
    row.claim(42, 7, 1);
    assert_eq!(
        (row.state(), row.pid(), row.generation()),
        (WorkerState::Booting, 42, 7)
    );
    row.set_ready();
    assert_eq!(row.state(), WorkerState::Ready);
    row.set_wants_retirement();
    assert_eq!(row.state(), WorkerState::WantsRetirement);
    row.set_retiring();
    assert_eq!(row.state(), WorkerState::Retiring);
    row.release();
    assert_eq!(row.state(), WorkerState::Free);
}

#[test]
fn a_worker_shows_that_it_idles_and_a_new_one_has_not_said_so() {
    let row = board().worker(1);
    row.claim(42, 7, 1);
    assert!(!row.serves());
    row.set_ready();
    assert!(row.serves() && !row.is_idle());
    row.set_idle(true);
    assert!(row.is_idle());
    row.set_wants_retirement();
    assert!(row.serves());
    row.release();
    assert!(!row.serves());
    row.claim(43, 8, 1);
    assert!(!row.is_idle());
}

#[test]
fn the_first_free_slot_is_found() {
    let board = board();
    board.worker(0).claim(1, 1, 1);
    assert_eq!(board.free_slot(), Some(1));
    board.worker(1).claim(2, 1, 1);
    board.worker(2).claim(3, 1, 1);
    assert_eq!(board.free_slot(), None);
}

#[test]
fn a_request_is_seen_between_begin_and_end() {
    let row = board().thread(2, 1);
    assert_eq!(row.current(), None);
    for (target, client) in [
        ("/", "127.0.0.1"),
        ("/a/longer/path?with=query", "::1"),
        ("/12345678", ""),
    ] {
        row.begin(0, b"GET", target.as_bytes(), client.as_bytes());
        let expected = RequestInProgress {
            started_ms: 0,
            request: format!("GET {target}"),
            client: client.into(),
        };
        assert_eq!(row.current(), Some(expected));
        row.end();
        assert_eq!(row.current(), None);
    }
    assert_eq!(row.requests(), 3);
}

#[test]
fn long_texts_are_cut_off_and_spill_into_nothing() {
    let board = board();
    let (row, next) = (board.thread(0, 0), board.thread(0, 1));
    row.begin(5, &[b'M'; 7], &[b't'; 5000], &[b'c'; 5000]);
    let current = row.current().expect("in progress");
    assert_eq!(current.request, format!("{} {}", "M".repeat(7), "t".repeat(152)));
    assert_eq!(current.client, "c".repeat(48));
    assert_eq!(
        (next.current(), board.worker(1).state()),
        (None, WorkerState::Free)
    );
}

#[test]
fn a_new_worker_starts_with_empty_counters() {
    let board = board();
    let row = board.worker(0);
    row.claim(1, 1, 1);
    board.thread(0, 0).begin(1, b"GET", b"/", b"");
    board.thread(0, 0).end();
    board.thread(0, 1).begin(1, b"GET", b"/", b"");
    assert_eq!(row.requests(), 1);
    row.claim(2, 1, 1);
    assert_eq!((row.requests(), board.thread(0, 1).current()), (0, None));
}

#[test]
fn the_newer_process_holds_the_number() {
    let board = board();
    board.worker(0).claim(5, 2, 1);
    board.worker(1).claim(4, 1, 1);
    board.worker(2).claim(6, 1, 2);
    let pid = |number| board.holder(number).map(|row| row.pid());
    assert_eq!((pid(1), pid(2), pid(3)), (Some(5), Some(6), None));
    board.worker(0).release();
    assert_eq!(pid(1), Some(4));
}

#[test]
fn a_request_is_late_by_its_own_limit_or_by_the_servers() {
    let row = board().thread(0, 0);
    row.begin(1000, b"GET", b"/", b"");
    let late = |now_ms, server_limit_ms| {
        row.overdue(now_ms, |_| 0, server_limit_ms)
            .map(|(_, for_ms)| for_ms)
    };
    assert_eq!((late(9000, None), late(9000, Some(8000))), (None, None));
    assert_eq!(late(9001, Some(8000)), Some(8001));
    assert_eq!(row.overdue(9001, |since_ms| since_ms / 1000, Some(8000)), None);
    row.limit(5000, 4000);
    assert_eq!((late(4999, Some(100)), late(4999, None)), (None, None));
    assert_eq!(
        (late(5000, None), late(5700, Some(8000))),
        (Some(4000), Some(4700))
    );
    row.begin(1000, b"GET", b"/next", b"");
    assert_eq!(late(9000, None), None);
}

#[test]
fn no_request_is_late_by_the_limit_of_another_that_follows_at_once() {
    let row = board().thread(0, 0);
    let rounds = if cfg!(miri) { 20 } else { 30_000 };
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            for _ in 0..rounds {
                row.begin(0, b"GET", b"/has/a/limit/of/its/own", b"::1");
                row.limit(100, 100);
                row.end();
                row.begin(0, b"GET", b"/", b"127.0.0.1");
                (0..100).for_each(|_| std::hint::spin_loop());
                row.end();
            }
        });
        while !worker.is_finished() {
            if let Some((late, _)) = row.overdue(900, |_| 0, None) {
                assert_eq!(late.request, "GET /has/a/limit/of/its/own");
            }
        }
    });
}

#[test]
fn what_the_reactor_books_is_counted_beside_what_threads_do() {
    let row = board().worker(0);
    row.claim(1, 1, 1);
    row.thread(1).begin(1, b"GET", b"/", b"");
    row.thread(1).end();
    row.thread(1).add(Tally::Static);
    row.thread(1).add(Tally::Exceptions);
    row.book(100, 40);
    row.book(50, 60);
    assert_eq!((row.requests(), row.thread(1).tally(Tally::Exceptions)), (2, 1));
    assert_eq!((row.sent(), row.running_us(), row.average_us()), (150, 100, 40));
    assert_eq!(row.thread(0).tally(Tally::Static), 0);
}

#[test]
fn a_text_left_half_written_by_a_killed_worker_is_read_as_it_is() {
    let row = board().thread(0, 0);
    row.begin(9, b"GET", b"/stuck", b"::1");
    row.words[ThreadRow::SEQUENCE].store(5, Relaxed);
    assert_eq!(row.current().expect("in progress").request, "GET /stuck");
}

#[test]
#[cfg_attr(miri, ignore = "forks")]
fn a_fork_writes_into_the_same_memory() {
    let row = board().worker(0);
    row.claim(0, 1, 1);
    match sys::fork().expect("fork") {
        sys::Fork::Child => {
            row.set_ready();
            sys::exit_now(0)
        }
        sys::Fork::Parent(_) => {
            while row.state() != WorkerState::Ready {
                std::thread::yield_now();
            }
        }
    }
}
