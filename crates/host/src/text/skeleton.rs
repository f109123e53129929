//! Names that look alike.

/// Reduces a name to what it looks like: two names with one skeleton cannot be told apart.
///
/// Upper and lower case are one, so are `1`, `l` and `i` (whose capital looks like `l`), `0` and
/// `o`, `rn` and `m`, `vv` and `w`, `cl` and `d`, and the separators `_`, `-` and `.`. Letters of
/// other alphabets and full-width forms that are drawn like ASCII become ASCII; what is not drawn
/// at all disappears.
///
/// The classes are wide on purpose: a plugin `mall` beside a plugin `mail` is refused, and its
/// author picks another name.
///
/// ```
/// use keyway_host::text::skeleton;
/// assert_eq!(skeleton("read_file"), skeleton("Read-fi1e"));
/// assert_eq!(skeleton("modern"), skeleton("rnodem"));
/// assert_ne!(skeleton("read_file"), skeleton("read_files"));
/// ```
#[must_use]
pub fn skeleton(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 8);
    for c in name.chars().filter(|c| !super::is_unsafe(*c)) {
        // Pairs are written out: `rrn` and `rm`, `vvv` and `vw` then need no order of joining.
        for c in drawn_like(c).to_lowercase() {
            match c {
                '1' | 'i' | 'l' | '|' => out.push('l'),
                '0' | 'o' => out.push('o'),
                'm' => out.push_str("rn"),
                'w' => out.push_str("vv"),
                'd' => out.push_str("cl"),
                '_' | '-' | '.' => out.push('-'),
                other => out.push(other),
            }
        }
    }
    out
}

/// Returns the ASCII character that `c` is drawn like, or `c`.
fn drawn_like(c: char) -> char {
    if c.is_ascii() {
        return c;
    }
    let found = LOOK_ALIKES.iter().find(|(_, alikes)| alikes.contains(c));
    match (found, u32::from(c)) {
        (Some((ascii, _)), _) => *ascii,
        // Full-width forms lie at a fixed distance from ASCII.
        (None, wide @ 0xFF01..=0xFF5E) => char::from_u32(wide - 0xFEE0).unwrap_or(c),
        (None, 0x2010..=0x2015 | 0x2212) => '-',
        _ => c,
    }
}

/// Letters of Cyrillic, Greek and a few others that common fonts draw like ASCII.
const LOOK_ALIKES: [(char, &str); 27] = [
    ('a', "аАαΑɑ"),
    ('b', "ЬВΒвƄ"),
    ('c', "сСϲϹⅽ"),
    ('d', "ԁⅾ"),
    ('e', "еЕΕε℮"),
    ('f', "ƒϜ"),
    ('g', "ɡԌ"),
    ('h', "һНΗн"),
    ('i', "іІΙιı"),
    ('j', "јЈϳ"),
    ('k', "кКΚκ"),
    ('l', "ӏӀⅼ∣ǀ"),
    ('m', "мМΜⅿ"),
    ('n', "ոΝп"),
    ('o', "оОοΟօ०٥"),
    ('p', "рРρΡ"),
    ('q', "ԛ"),
    ('r', "гᴦ"),
    ('s', "ѕЅʂ"),
    ('t', "тТΤτ"),
    ('u', "υսʋ"),
    ('v', "νѵⅴ"),
    ('w', "ԝѡω"),
    ('x', "хХχΧ"),
    ('y', "уУγΥү"),
    ('z', "ᴢΖ"),
    ('-', "‐‑‒–—―−"),
];
