//! Quantities as people write them on a command line: `20ms`, `1%`, `100mbit`.
//!
//! Each parser takes the whole text and answers with the value or with what to write instead. A bare number is
//! refused wherever its unit could be guessed wrongly.

use std::time::Duration;

/// What is said when a text cannot be a quantity.
type Parsed<T> = Result<T, String>;

/// A duration with a unit: `20ms`, `1.5s`, `2min`. A bare `0` is accepted.
pub(crate) fn duration(text: &str) -> Parsed<Duration> {
    let (number, unit) = split(text).ok_or_else(|| duration_help(text))?;
    let nanos_per_unit = match unit.to_ascii_lowercase().as_str() {
        "ns" => 1.0,
        "us" | "µs" => 1e3,
        "ms" => 1e6,
        "s" | "sec" => 1e9,
        "m" | "min" => 60e9,
        "h" => 3600e9,
        "" if number == 0.0 => 1.0,
        _ => return Err(duration_help(text)),
    };
    let seconds = number * nanos_per_unit / 1e9;
    Duration::try_from_secs_f64(seconds).map_err(|_| duration_help(text))
}

fn duration_help(text: &str) -> String {
    format!("'{text}' is not a duration; write a number and ns, us, ms, s, min or h, such as 20ms")
}

/// A duration that may be a bare number of seconds: `30`, `0`, `500ms`.
pub(crate) fn seconds(text: &str) -> Parsed<Duration> {
    match text.parse::<u32>() {
        Ok(whole) => Ok(Duration::from_secs(u64::from(whole))),
        Err(_) => duration(text),
    }
}

/// A maximum segment lifetime: seconds, or with a unit; at most ten days, which is what a host takes.
pub(crate) fn lifetime(text: &str) -> Parsed<Duration> {
    let most = Duration::from_secs(10 * 24 * 3600);
    let lifetime = seconds(text)?;
    if lifetime > most { Err(format!("'{text}' is more than ten days")) } else { Ok(lifetime) }
}

/// A probability: `1%`, `0.5%` or `0.01`. A bare `1` is refused, since it could mean either end.
pub(crate) fn probability(text: &str) -> Parsed<f64> {
    let help = || format!("'{text}' is not a probability; write it such as 1% or 0.01");
    let (number, unit) = split(text).ok_or_else(help)?;
    let value = match unit {
        "%" => number / 100.0,
        "" if number == 1.0 => return Err(format!("'{text}' could mean 1% or 100%; write which")),
        "" => number,
        _ => return Err(help()),
    };
    if value <= 1.0 { Ok(value) } else { Err(format!("'{text}' is more than 100%")) }
}

/// A rate in bits a second: `100mbit`, `1gbit`, `64kbit`, with or without `/s`.
pub(crate) fn rate(text: &str) -> Parsed<u64> {
    let help = || format!("'{text}' is not a rate; write bits a second, such as 100mbit, 1gbit or 64kbit");
    let (number, unit) = split(text).ok_or_else(help)?;
    let unit = unit.to_ascii_lowercase();
    let factor = match unit.strip_suffix("/s").unwrap_or(&unit) {
        "bit" => 1.0,
        "kbit" => 1e3,
        "mbit" => 1e6,
        "gbit" => 1e9,
        _ => return Err(help()),
    };
    let bits = number * factor;
    if !(1.0..=1e12).contains(&bits) {
        return Err(format!("'{text}' is out of range; between 1bit and 1000gbit"));
    }
    // In range by the test above; a fraction of a bit is of no interest.
    Ok(bits as u64)
}

/// Splits `12.5ms` into 12.5 and `ms`; `None` unless it begins with a plain, finite, non-negative number.
fn split(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number = number.parse::<f64>().ok().filter(|number| number.is_finite())?;
    Some((number, unit.trim()))
}

/// Octets as people read them: `999 B`, `1.5 KiB`, `1.0 GiB`.
pub(crate) fn octets(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1024.0;
    let mut unit = UNITS[0];
    for next in &UNITS[1..] {
        if value < 1023.95 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

/// A duration as people read it: `420 us`, `12.3 ms`, `4.56 s`, `2 min 03 s`.
pub(crate) fn lapse(time: Duration) -> String {
    let micros = time.as_micros();
    if micros < 1_000 {
        format!("{micros} us")
    } else if micros < 999_950 {
        format!("{:.1} ms", micros as f64 / 1e3)
    } else if micros < 60_000_000 {
        format!("{:.2} s", time.as_secs_f64())
    } else {
        format!("{} min {:02} s", time.as_secs() / 60, time.as_secs() % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(duration("20ms"), Ok(Duration::from_millis(20)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration(" 2 min "), Ok(Duration::from_secs(120)));
        assert_eq!(duration("250us"), Ok(Duration::from_micros(250)));
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        for wrong in ["20", "", "ms", "-1s", "1e400s", "20 parsecs", "nan s", "99999999999999999h", "1.2.3s"]
        {
            let message = duration(wrong).unwrap_err();
            assert!(message.contains("20ms") && !message.contains('\n'), "{wrong}: {message}");
        }
    }

    #[test]
    fn seconds_may_stand_alone() {
        assert_eq!(seconds("30"), Ok(Duration::from_secs(30)));
        assert_eq!(seconds("0"), Ok(Duration::ZERO));
        assert_eq!(seconds("500ms"), Ok(Duration::from_millis(500)));
        assert!(seconds("soon").is_err());
        assert_eq!(lifetime("240h"), Ok(Duration::from_secs(864_000)));
        assert!(lifetime("864001").unwrap_err().contains("ten days") && lifetime("x").is_err());
    }

    #[test]
    fn probabilities_are_percentages_or_fractions() {
        assert_eq!(probability("1%"), Ok(0.01));
        assert_eq!(probability("0.01"), Ok(0.01));
        assert_eq!(probability("100%"), Ok(1.0));
        assert_eq!(probability("0"), Ok(0.0));
        assert!(probability("1").unwrap_err().contains("100%"));
        for wrong in ["101%", "1.5", "-1%", "x", "1 percent", ""] {
            assert!(probability(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn rates_are_bits_a_second() {
        assert_eq!(rate("100mbit"), Ok(100_000_000));
        assert_eq!(rate("1gbit"), Ok(1_000_000_000));
        assert_eq!(rate("1.5Mbit/s"), Ok(1_500_000));
        for wrong in ["100", "100mbps", "0mbit", "0.1bit", "1e3gbit", "5000gbit", "fast"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn octets_and_lapses_are_short() {
        assert_eq!(octets(0), "0 B");
        assert_eq!(octets(1023), "1023 B");
        assert_eq!(octets(1536), "1.5 KiB");
        assert_eq!(octets((1 << 20) - 1), "1.0 MiB");
        assert_eq!(octets(1 << 30), "1.0 GiB");
        assert_eq!(lapse(Duration::from_micros(420)), "420 us");
        assert_eq!(lapse(Duration::from_micros(12_340)), "12.3 ms");
        assert_eq!(lapse(Duration::from_micros(999_990)), "1.00 s");
        assert_eq!(lapse(Duration::from_secs(123)), "2 min 03 s");
    }
}
