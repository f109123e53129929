//! A filter that refuses system calls by their number alone.
//!
//! The kernel goes through a filter once for each number when a program takes it on, so a list that
//! is looked through from its beginning costs every start more than half a millisecond. This one is
//! searched by halves.

use std::collections::BTreeMap;

use seccompiler::{BpfProgram, sock_filter};

/// Numbers from here on belong to a second table (x32), which would go around the first.
const SECOND_TABLE: u32 = 0x4000_0000;
/// Numbers that are compared one after the other.
const FEW: usize = 4;

const LOAD: u16 = 0x20;
const IS: u16 = 0x15;
const AT_LEAST: u16 = 0x35;
const RETURN: u16 = 0x06;

/// Builds the filter: each of these numbers is refused with its error, and the second table whole.
/// `None` where there are more numbers than jumps reach.
pub(super) fn refuse(numbers: &BTreeMap<u32, i32>) -> Option<BpfProgram> {
    let sorted: Vec<_> = numbers.iter().map(|(n, errno)| (*n, *errno)).collect();
    let mut program = vec![
        step(LOAD, 0, 0, 0),
        step(AT_LEAST, 0, 1, SECOND_TABLE),
        error(libc::ENOSYS),
    ];
    program.extend(search(&sorted)?);
    Some(program)
}

fn search(numbers: &[(u32, i32)]) -> Option<BpfProgram> {
    if numbers.len() <= FEW {
        let each = numbers
            .iter()
            .flat_map(|(number, errno)| [step(IS, 0, 1, *number), error(*errno)]);
        return Some(each.chain([allow()]).collect());
    }
    let (lower, upper) = numbers.split_at(numbers.len() / 2);
    let (first, _) = upper.first()?;
    let (lower, upper) = (search(lower)?, search(upper)?);
    let over = u8::try_from(lower.len()).ok()?;
    let mut program = vec![step(AT_LEAST, over, 0, *first)];
    program.extend(lower);
    program.extend(upper);
    Some(program)
}

fn error(errno: i32) -> sock_filter {
    step(
        RETURN,
        0,
        0,
        libc::SECCOMP_RET_ERRNO | errno.cast_unsigned(),
    )
}

fn allow() -> sock_filter {
    step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW)
}

fn step(code: u16, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a filter as the kernel does, and returns its answer and the steps it took.
    fn run(program: &[sock_filter], number: u32) -> (u32, usize) {
        let (mut at, mut loaded, mut steps) = (0, None, 0);
        loop {
            let sock_filter { code, jt, jf, k } = program[at];
            (at, steps) = (at + 1, steps + 1);
            let mut jump = |holds| at += usize::from(if holds { jt } else { jf });
            match code {
                LOAD => loaded = Some(number),
                IS => jump(loaded.unwrap() == k),
                AT_LEAST => jump(loaded.unwrap() >= k),
                RETURN => return (k, steps),
                other => panic!("no such step: {other}"),
            }
        }
    }

    #[test]
    fn s_c8_every_number_gets_the_answer_that_its_list_says() {
        let refused: Vec<_> = (0..170)
            .map(|n| (n * 3 + n % 2, 1 + n as i32 % 40))
            .collect();
        for count in [0, 1, 4, 5, 9, 100, 170] {
            let numbers: BTreeMap<_, _> = refused[..count].iter().copied().collect();
            let program = refuse(&numbers).unwrap();
            for number in (0..2_000).chain([SECOND_TABLE - 1]) {
                let answer = numbers
                    .get(&number)
                    .map_or(libc::SECCOMP_RET_ALLOW, |errno| {
                        libc::SECCOMP_RET_ERRNO | errno.cast_unsigned()
                    });
                let (found, steps) = run(&program, number);
                assert_eq!(found, answer, "{number} of {count}");
                assert!(steps <= 16, "{number} of {count}: {steps} steps");
            }
            let unknown = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned();
            for number in [SECOND_TABLE, SECOND_TABLE + 41, u32::MAX] {
                assert_eq!(run(&program, number).0, unknown);
            }
        }
    }

    #[test]
    fn more_numbers_than_jumps_reach_are_no_filter() {
        let numbers = (0..1_000).map(|number| (number, 1)).collect();
        assert!(refuse(&numbers).is_none());
    }
}
