//! Requests in flight: an answer counts once and belongs to a request.

use keyway_channel::InFlight;

#[test]
fn s_e7_an_answer_to_nothing_or_a_second_answer_is_found_out() {
    let mut waiting = InFlight::new(8);
    let first = waiting.begin("a").unwrap();
    let second = waiting.begin("b").unwrap();
    assert_eq!((first, second), (1, 2));
    assert_eq!(waiting.end(second), Ok("b"), "answers come in any order");
    for number in [0, 3, u64::MAX, second] {
        assert_eq!(waiting.end(number).unwrap_err().code(), "UNKNOWN_ANSWER");
    }
    assert_eq!(waiting.end(first), Ok("a"), "control");
    assert_eq!(waiting.begin("c"), Ok(3), "no number is used twice");
}

#[test]
fn more_than_the_limit_has_to_wait_and_control_does_not() {
    let mut waiting = InFlight::after(2, 1);
    assert_eq!(waiting.begin('a'), Ok(2));
    assert_eq!(waiting.begin('b'), Ok(3));
    let error = waiting.begin('c').unwrap_err();
    assert_eq!((error.code(), error.limit), ("OVERLOADED", 2));
    assert_eq!(waiting.begin_control('p'), 4);
    *waiting.get_mut(2).unwrap() = 'x';
    assert_eq!(waiting.end(2), Ok('x'));
    assert_eq!(waiting.end(4), Ok('p'));
    assert_eq!(waiting.begin('d'), Ok(5));
    let mut left: Vec<_> = waiting.drain().collect();
    left.sort_unstable();
    assert_eq!(left, [(3, 'b'), (5, 'd')]);
    assert!(waiting.is_empty());
}
