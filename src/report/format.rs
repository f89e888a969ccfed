//! Numbers and names as text, the same in every edition of the report.

use std::borrow::Cow;

/// What stands where there is no number.
pub const MISSING: &str = "–";

/// A duration in nanoseconds, with three significant digits: `466 µs`, `1.21 ms`.
pub fn duration(ns: f64) -> String {
    scaled(ns, duration_unit(ns))
}

/// A range of durations, both in the unit of the larger: `1.18–1.25 ms`.
pub fn duration_range(low: f64, high: f64) -> String {
    range(low, high, duration_unit(high))
}

/// A duration of one piece of work, which can be far below a nanosecond.
pub fn work_time(ns: f64) -> String {
    if ns.abs() < 1.0 { scaled(ns * 1e3, (1.0, "ps")) } else { duration(ns) }
}

/// Bytes in binary units, with three significant digits: `2.91 MiB`. Negative for a saving.
pub fn bytes(bytes: f64) -> String {
    scaled(bytes, byte_unit(bytes))
}

/// A range of bytes, both in the unit of the larger.
pub fn bytes_range(low: f64, high: f64) -> String {
    range(low, high, byte_unit(if low.abs() > high.abs() { low } else { high }))
}

/// A ratio: `2.57×`; close to 1 with the digits that matter there: `1.004×`.
pub fn ratio(ratio: f64) -> String {
    format!("{}×", ratio_digits(ratio))
}

/// A range of ratios.
pub fn ratio_range(low: f64, high: f64) -> String {
    format!("{}–{}×", ratio_digits(low), ratio_digits(high))
}

/// A count with thousands set apart, and with a fraction only where it says something.
pub fn count(value: f64) -> String {
    if value.abs() >= 1e15 {
        return format!("{value:.2e}");
    }
    if value.abs() < 100.0 && value.fract() != 0.0 {
        return significant(value);
    }
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 { format!("−{text}") } else { text }
}

/// Work per second: `1.24 GB/s` for bytes, `3,120,000 calls/s` for anything else.
pub fn throughput(ns_per_unit: f64, unit: &str) -> String {
    let per_second = 1e9 / ns_per_unit;
    if !per_second.is_finite() {
        return MISSING.to_owned();
    }
    let (divisor, prefix) = [(1e9, "G"), (1e6, "M"), (1e3, "k")]
        .into_iter()
        .find(|(size, _)| per_second >= *size)
        .unwrap_or((1.0, ""));
    let number = significant(per_second / divisor);
    match unit {
        "byte" | "bytes" => format!("{number} {prefix}B/s"),
        _ if prefix.is_empty() => format!("{number} {unit}/s"),
        _ => format!("{number} {prefix} {unit}/s"),
    }
}

/// Text from outside, safe to print anywhere: control characters, which could steer a terminal, and
/// marks that turn the writing direction become `�`; beyond `longest` characters it is cut with `…`.
pub fn plain(text: &str, longest: usize) -> Cow<'_, str> {
    let unsafe_here = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let too_long = text.char_indices().nth(longest).is_some();
    if !too_long && !text.contains(unsafe_here) {
        return Cow::Borrowed(text);
    }
    let keep = if too_long { longest.saturating_sub(1) } else { longest };
    let mut cleaned: String =
        text.chars().take(keep).map(|c| if unsafe_here(c) { '\u{fffd}' } else { c }).collect();
    if too_long {
        cleaned.push('…');
    }
    Cow::Owned(cleaned)
}

/// A command line that a shell reads back as these arguments.
pub fn shell(command: &[String]) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    let quoted = command.iter().map(|argument| {
        if !argument.is_empty() && argument.chars().all(safe) {
            argument.clone()
        } else {
            format!("'{}'", argument.replace('\'', r"'\''"))
        }
    });
    plain(&quoted.collect::<Vec<_>>().join(" "), 2_000).into_owned()
}

type Unit = (f64, &'static str);

/// The largest unit that leaves at least 1 after rounding to three digits.
fn unit_for(value: f64, units: &[Unit]) -> Unit {
    let fits = |unit: &&Unit| value.abs() >= unit.0 * 0.9995;
    units.iter().rev().find(fits).or(units.first()).copied().unwrap_or((1.0, ""))
}

fn duration_unit(ns: f64) -> Unit {
    unit_for(ns, &[(1.0, "ns"), (1e3, "µs"), (1e6, "ms"), (1e9, "s")])
}

fn byte_unit(bytes: f64) -> Unit {
    const STEP: f64 = 1024.0;
    unit_for(
        bytes,
        &[(1.0, "B"), (STEP, "KiB"), (STEP * STEP, "MiB"), (STEP.powi(3), "GiB"), (STEP.powi(4), "TiB")],
    )
}

fn scaled(value: f64, (divisor, unit): Unit) -> String {
    if value.is_finite() { format!("{} {unit}", significant(value / divisor)) } else { MISSING.to_owned() }
}

fn range(low: f64, high: f64, (divisor, unit): Unit) -> String {
    let separator = if low < 0.0 { " to " } else { "–" };
    format!("{}{separator}{} {unit}", significant(low / divisor), significant(high / divisor))
}

fn ratio_digits(ratio: f64) -> String {
    if (0.9..1.1).contains(&ratio) { format!("{ratio:.3}") } else { significant(ratio) }
}

/// Three significant digits, without an exponent where a reader can do without.
fn significant(value: f64) -> String {
    let text = match value.abs() {
        0.0 => "0".to_owned(),
        size if size >= 1e6 => format!("{size:.2e}"),
        size if size >= 99.95 => format!("{size:.0}"),
        size if size >= 9.995 => format!("{size:.1}"),
        size if size >= 0.000_5 => format!("{size:.2}"),
        size => format!("{size:.1e}"),
    };
    if value < 0.0 { format!("−{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(duration(0.0), "0 ns");
        assert_eq!(duration(466_123.0), "466 µs");
        assert_eq!(duration(999_960.0), "1.00 ms");
        assert_eq!(duration(1_213_000.0), "1.21 ms");
        assert_eq!(duration(277_000_000.0), "277 ms");
        assert_eq!(duration(u64::MAX as f64), "1.84e10 s");
        assert_eq!(duration(f64::NAN), MISSING);
        assert_eq!(duration_range(980_000.0, 1_250_000.0), "0.98–1.25 ms");
        assert_eq!(bytes(3_051_000.0), "2.91 MiB");
        assert_eq!(bytes(-2048.0), "−2.00 KiB");
        assert_eq!(ratio(2.573), "2.57×");
        assert_eq!(ratio(1.0042), "1.004×");
        assert_eq!(ratio(231.4), "231×");
        assert_eq!(count(1_234_567.0), "1,234,567");
        assert_eq!(count(12.5), "12.5");
        assert_eq!(throughput(0.8, "byte"), "1.25 GB/s");
        assert_eq!(throughput(320.0, "call"), "3.12 M call/s");
        assert_eq!(throughput(0.0, "call"), MISSING);
        assert_eq!(work_time(0.8), "800 ps");
    }

    #[test]
    fn text_from_outside() {
        assert_eq!(plain("net namespace", 40), "net namespace");
        assert_eq!(plain("a\u{1b}[31mb\u{202e}c", 40), "a\u{fffd}[31mb\u{fffd}c");
        assert_eq!(plain("abcdef", 4), "abc…");
        assert_eq!(
            shell(&["isobench".into(), "a b".into(), "it's".into(), String::new()]),
            r"isobench 'a b' 'it'\''s' ''"
        );
    }
}
